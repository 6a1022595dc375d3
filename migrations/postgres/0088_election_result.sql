-- Elections: the outcome that is on record, and voters who have an account. A twin of migrations/sqlite/0088_election_result.sql.

CREATE TABLE election_outcome (
    study_id BIGINT PRIMARY KEY REFERENCES study (id),
    outcome TEXT NOT NULL
);
COMMENT ON TABLE election_outcome IS 'The outcome that the committee put on record; shown once it is certified.';
COMMENT ON COLUMN election_outcome.study_id IS 'Study.';
COMMENT ON COLUMN election_outcome.outcome IS 'The outcome, to the byte: JSON as the count prints it, with the digests of the files it was counted from.';

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

CREATE TABLE voter_address (
    voter_id BYTEA PRIMARY KEY REFERENCES voter (id),
    code BYTEA NOT NULL CHECK (length(code) = 32)
);
COMMENT ON TABLE voter_address IS 'By which address a voter is known who signs in with an account.';
COMMENT ON COLUMN voter_address.voter_id IS 'Voter; none who has no address.';
COMMENT ON COLUMN voter_address.code IS 'Code of the folded address by a key outside the database, which alone finds it.';

CREATE INDEX voter_address_code ON voter_address (code);
