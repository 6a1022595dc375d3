-- Elections: files that are published with the result. A twin of migrations/sqlite/0088_election_file.sql.

CREATE TABLE election_file (
    study_id BIGINT NOT NULL REFERENCES study (id),
    name TEXT NOT NULL CHECK (name IN ('ballots.csv', 'facts.toml')),
    content TEXT NOT NULL,
    PRIMARY KEY (study_id, name)
);
COMMENT ON TABLE election_file IS 'Files of an election that the committee publishes with the result.';
COMMENT ON COLUMN election_file.study_id IS 'Study.';
COMMENT ON COLUMN election_file.name IS 'Which.';
COMMENT ON COLUMN election_file.content IS 'The file, to the byte; its digest stands in the outcome.';
