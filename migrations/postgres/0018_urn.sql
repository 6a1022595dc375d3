-- Answers that nobody may join to a person, until enough of them are there to be mixed. A twin of migrations/sqlite/0018_urn.sql.

CREATE TABLE urn (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    study_id BIGINT NOT NULL REFERENCES study (id),
    sealed BYTEA NOT NULL
);
COMMENT ON TABLE urn IS 'Responses, sealed by a key outside the database, that wait to be mixed.';
COMMENT ON COLUMN urn.id IS 'Random, so that it tells no order.';
COMMENT ON COLUMN urn.study_id IS 'Study.';
COMMENT ON COLUMN urn.sealed IS 'The answers, encrypted; of one length in a study.';

CREATE INDEX urn_study ON urn (study_id);
