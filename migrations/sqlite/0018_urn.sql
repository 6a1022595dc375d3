-- Answers that nobody may join to a person, until enough of them are there to be mixed. A twin of migrations/postgres/0018_urn.sql.

CREATE TABLE urn ( -- Responses, sealed by a key outside the database, that wait to be mixed.
    id BLOB PRIMARY KEY CHECK (length(id) = 16), -- Random, so that it tells no order.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    sealed BLOB NOT NULL -- The answers, encrypted; of one length in a study.
) STRICT, WITHOUT ROWID;

CREATE INDEX urn_study ON urn (study_id);
