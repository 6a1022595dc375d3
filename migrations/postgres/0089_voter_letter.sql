-- Letters to voters, each once; rounds over the roll; the outcome of a count. A twin of migrations/sqlite/0089_voter_letter.sql.

ALTER TABLE voter ADD COLUMN address_code TEXT NOT NULL DEFAULT '';
COMMENT ON COLUMN voter.address_code IS 'Code of the address by a key outside the database, by which a voter who writes is found; "none" without an address, and empty of those who came by an earlier version.';

CREATE INDEX voter_address ON voter (address_code, study_id);

CREATE TABLE voter_letter (
    voter_id BYTEA NOT NULL REFERENCES voter (id),
    occasion TEXT NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (voter_id, occasion)
);
COMMENT ON TABLE voter_letter IS 'Letters to voters: that there is one row for each occasion is what makes each leave once.';
COMMENT ON COLUMN voter_letter.voter_id IS 'Who.';
COMMENT ON COLUMN voter_letter.occasion IS 'What it was written for: notice, credential, renewed, reminder and its day, receipt, result.';
COMMENT ON COLUMN voter_letter.message_id IS 'Message-ID of the letter; empty where there is no address.';

CREATE INDEX voter_letter_message ON voter_letter (message_id);

CREATE TABLE election_round (
    study_id BIGINT NOT NULL REFERENCES study (id),
    round TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    passed BYTEA NOT NULL CHECK (length(passed) = 16),
    done BIGINT NOT NULL CHECK (done IN (0, 1)),
    PRIMARY KEY (study_id, round)
);
COMMENT ON TABLE election_round IS 'Rounds over everybody on the roll, a page at a time: letters of one kind, and in the end the deletion.';
COMMENT ON COLUMN election_round.study_id IS 'Study.';
COMMENT ON COLUMN election_round.round IS 'Which: notice, credentials, reminder and its day, receipts and their day, result, deletion.';
COMMENT ON COLUMN election_round.begun_at IS 'When, in microseconds since 1970.';
COMMENT ON COLUMN election_round.passed IS 'Name of the last voter that was passed, in their random order; zeros before the first.';
COMMENT ON COLUMN election_round.done IS '1 if everybody was passed.';

CREATE TABLE election_outcome (
    study_id BIGINT PRIMARY KEY REFERENCES study (id),
    outcome TEXT NOT NULL
);
COMMENT ON TABLE election_outcome IS 'The outcome of an election as it was put on record. It stays when the roll is deleted.';
COMMENT ON COLUMN election_outcome.study_id IS 'Study.';
COMMENT ON COLUMN election_outcome.outcome IS 'JSON, as the count gave it, to the byte: its digest stands in the audit chain.';
