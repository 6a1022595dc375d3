-- Elections: the outcome that is on record, and voters who have an account. A twin of migrations/postgres/0088_election_result.sql.

CREATE TABLE election_outcome ( -- The outcome that the committee put on record; shown once it is certified.
    study_id INTEGER PRIMARY KEY REFERENCES study (id), -- Study.
    outcome TEXT NOT NULL -- The outcome, to the byte: JSON as the count prints it, with the digests of the files it was counted from.
) STRICT;

CREATE TABLE election_file ( -- Files of an election that the committee publishes with the result.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    name TEXT NOT NULL CHECK (name IN ('ballots.csv', 'facts.toml')), -- Which.
    content TEXT NOT NULL, -- The file, to the byte; its digest stands in the outcome.
    PRIMARY KEY (study_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE voter_address ( -- By which address a voter is known who signs in with an account.
    voter_id BLOB PRIMARY KEY REFERENCES voter (id), -- Voter; none who has no address.
    code BLOB NOT NULL CHECK (length(code) = 32) -- Code of the folded address by a key outside the database, which alone finds it.
) STRICT, WITHOUT ROWID;

CREATE INDEX voter_address_code ON voter_address (code);
