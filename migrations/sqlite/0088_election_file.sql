-- Elections: files that are published with the result. A twin of migrations/postgres/0088_election_file.sql.

CREATE TABLE election_file ( -- Files of an election that the committee publishes with the result.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    name TEXT NOT NULL CHECK (name IN ('ballots.csv', 'facts.toml')), -- Which.
    content TEXT NOT NULL, -- The file, to the byte; its digest stands in the outcome.
    PRIMARY KEY (study_id, name)
) STRICT, WITHOUT ROWID;
