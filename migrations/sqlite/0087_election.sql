-- Elections: the roll, who has voted, the steps of the committee, and ballots once the urn was opened. A twin of migrations/postgres/0087_election.sql.

CREATE TABLE voter ( -- The roll of an election: who may vote. Voters are no participants: what is known of a person is sealed here.
    id BLOB PRIMARY KEY CHECK (length(id) = 16), -- Random, so that it tells no order.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number TEXT NOT NULL, -- Member number, as the roll has it.
    name BLOB NOT NULL, -- Name, sealed by a key outside the database.
    address BLOB NOT NULL, -- Folded address that letters go to, sealed likewise; of an empty text where there is none.
    language TEXT NOT NULL, -- Language of their letters and pages; empty for the study's first.
    district TEXT NOT NULL, -- Id of their district; empty where the election has none.
    class TEXT NOT NULL, -- Id of their class, by which their vote weighs; empty where all weigh the same.
    postal INTEGER NOT NULL CHECK (postal IN (0, 1)), -- 1 if they vote by post, and have no vote on the web.
    UNIQUE (study_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE voter_credential ( -- Whose credential is whose, of voters. A credential names participants alone, and none where a voter has it.
    credential_id BLOB PRIMARY KEY REFERENCES credential (id), -- Which.
    voter_id BLOB NOT NULL REFERENCES voter (id) -- Voter who votes with it.
) STRICT, WITHOUT ROWID;

CREATE INDEX voter_credential_of ON voter_credential (voter_id);

CREATE TABLE voted ( -- That somebody has voted. That there is one row for each is what makes a vote count once; what was voted lies in urn, and no way leads there.
    voter_id BLOB PRIMARY KEY REFERENCES voter (id), -- Who.
    submission BLOB NOT NULL CHECK (length(submission) = 16), -- Random mark of the page that was sent: sent again, it is the same vote.
    receipt TEXT NOT NULL, -- Receipt number that was shown; the ballot has none.
    day TEXT NOT NULL -- Day of the study's zone.
) STRICT, WITHOUT ROWID;

CREATE TABLE election_step ( -- Steps that two people take together: asked for by one, taken when another confirmed it.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    step TEXT NOT NULL CHECK (step IN ('objection', 'open', 'close', 'record', 'certify')), -- Which.
    about BLOB CHECK (length(about) = 32), -- Digest of what it is about: rules and roll, or the outcome; none of other steps.
    first_by TEXT NOT NULL, -- Id of the person who asked for it.
    first_at INTEGER NOT NULL, -- When, in microseconds since 1970.
    second_by TEXT, -- Id of the person who confirmed it; none as long as nobody has.
    second_at INTEGER, -- When, in microseconds since 1970.
    PRIMARY KEY (study_id, step),
    CHECK ((second_by IS NULL) = (second_at IS NULL) AND (second_by IS NULL OR second_by <> first_by))
) STRICT, WITHOUT ROWID;

CREATE TABLE opened_ballots ( -- Ballots of an election whose urn was opened.
    study_id INTEGER PRIMARY KEY REFERENCES study (id), -- Study.
    sealed BLOB NOT NULL -- The table of ballots, each content once with how many are like it, sorted by content; sealed by a key outside the database.
) STRICT;
