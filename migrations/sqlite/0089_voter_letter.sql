-- Letters to voters, each once; rounds over the roll; the outcome of a count. A twin of migrations/postgres/0089_voter_letter.sql.

ALTER TABLE voter ADD COLUMN address_code TEXT NOT NULL DEFAULT '' /* Code of the address by a key outside the database, by which a voter who writes is found; "none" without an address, and empty of those who came by an earlier version. */;

CREATE INDEX voter_address ON voter (address_code, study_id);

CREATE TABLE voter_letter ( -- Letters to voters: that there is one row for each occasion is what makes each leave once.
    voter_id BLOB NOT NULL REFERENCES voter (id), -- Who.
    occasion TEXT NOT NULL, -- What it was written for: notice, credential, renewed, reminder and its day, receipt, result.
    message_id TEXT NOT NULL, -- Message-ID of the letter; empty where there is no address.
    PRIMARY KEY (voter_id, occasion)
) STRICT, WITHOUT ROWID;

CREATE INDEX voter_letter_message ON voter_letter (message_id);

CREATE TABLE election_round ( -- Rounds over everybody on the roll, a page at a time: letters of one kind, and in the end the deletion.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    round TEXT NOT NULL, -- Which: notice, credentials, reminder and its day, receipts and their day, result, deletion.
    begun_at INTEGER NOT NULL, -- When, in microseconds since 1970.
    passed BLOB NOT NULL CHECK (length(passed) = 16), -- Name of the last voter that was passed, in their random order; zeros before the first.
    done INTEGER NOT NULL CHECK (done IN (0, 1)), -- 1 if everybody was passed.
    PRIMARY KEY (study_id, round)
) STRICT, WITHOUT ROWID;

CREATE TABLE election_outcome ( -- The outcome of an election as it was put on record. It stays when the roll is deleted.
    study_id INTEGER PRIMARY KEY REFERENCES study (id), -- Study.
    outcome TEXT NOT NULL -- JSON, as the count gave it, to the byte: its digest stands in the audit chain.
) STRICT;
