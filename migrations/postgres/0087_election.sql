-- Elections: the roll, who has voted, the steps of the committee, and ballots once the urn was opened. A twin of migrations/sqlite/0087_election.sql.

CREATE TABLE voter (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    study_id BIGINT NOT NULL REFERENCES study (id),
    number TEXT NOT NULL,
    name BYTEA NOT NULL,
    address BYTEA NOT NULL,
    language TEXT NOT NULL,
    district TEXT NOT NULL,
    class TEXT NOT NULL,
    postal BIGINT NOT NULL CHECK (postal IN (0, 1)),
    UNIQUE (study_id, number)
);
COMMENT ON TABLE voter IS 'The roll of an election: who may vote. Voters are no participants: what is known of a person is sealed here.';
COMMENT ON COLUMN voter.id IS 'Random, so that it tells no order.';
COMMENT ON COLUMN voter.study_id IS 'Study.';
COMMENT ON COLUMN voter.number IS 'Member number, as the roll has it.';
COMMENT ON COLUMN voter.name IS 'Name, sealed by a key outside the database.';
COMMENT ON COLUMN voter.address IS 'Folded address that letters go to, sealed likewise; of an empty text where there is none.';
COMMENT ON COLUMN voter.language IS 'Language of their letters and pages; empty for the study''s first.';
COMMENT ON COLUMN voter.district IS 'Id of their district; empty where the election has none.';
COMMENT ON COLUMN voter.class IS 'Id of their class, by which their vote weighs; empty where all weigh the same.';
COMMENT ON COLUMN voter.postal IS '1 if they vote by post, and have no vote on the web.';

CREATE TABLE voter_credential (
    credential_id BYTEA PRIMARY KEY REFERENCES credential (id),
    voter_id BYTEA NOT NULL REFERENCES voter (id)
);
COMMENT ON TABLE voter_credential IS 'Whose credential is whose, of voters. A credential names participants alone, and none where a voter has it.';
COMMENT ON COLUMN voter_credential.credential_id IS 'Which.';
COMMENT ON COLUMN voter_credential.voter_id IS 'Voter who votes with it.';

CREATE INDEX voter_credential_of ON voter_credential (voter_id);

CREATE TABLE voted (
    voter_id BYTEA PRIMARY KEY REFERENCES voter (id),
    submission BYTEA NOT NULL CHECK (length(submission) = 16),
    receipt TEXT NOT NULL,
    day TEXT NOT NULL
);
COMMENT ON TABLE voted IS 'That somebody has voted. That there is one row for each is what makes a vote count once; what was voted lies in urn, and no way leads there.';
COMMENT ON COLUMN voted.voter_id IS 'Who.';
COMMENT ON COLUMN voted.submission IS 'Random mark of the page that was sent: sent again, it is the same vote.';
COMMENT ON COLUMN voted.receipt IS 'Receipt number that was shown; the ballot has none.';
COMMENT ON COLUMN voted.day IS 'Day of the study''s zone.';

CREATE TABLE election_step (
    study_id BIGINT NOT NULL REFERENCES study (id),
    step TEXT NOT NULL CHECK (step IN ('objection', 'open', 'close', 'record', 'certify')),
    about BYTEA CHECK (length(about) = 32),
    first_by TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    second_by TEXT,
    second_at BIGINT,
    PRIMARY KEY (study_id, step),
    CHECK ((second_by IS NULL) = (second_at IS NULL) AND (second_by IS NULL OR second_by <> first_by))
);
COMMENT ON TABLE election_step IS 'Steps that two people take together: asked for by one, taken when another confirmed it.';
COMMENT ON COLUMN election_step.study_id IS 'Study.';
COMMENT ON COLUMN election_step.step IS 'Which.';
COMMENT ON COLUMN election_step.about IS 'Digest of what it is about: rules and roll, or the outcome; none of other steps.';
COMMENT ON COLUMN election_step.first_by IS 'Id of the person who asked for it.';
COMMENT ON COLUMN election_step.first_at IS 'When, in microseconds since 1970.';
COMMENT ON COLUMN election_step.second_by IS 'Id of the person who confirmed it; none as long as nobody has.';
COMMENT ON COLUMN election_step.second_at IS 'When, in microseconds since 1970.';

CREATE TABLE opened_ballots (
    study_id BIGINT PRIMARY KEY REFERENCES study (id),
    sealed BYTEA NOT NULL
);
COMMENT ON TABLE opened_ballots IS 'Ballots of an election whose urn was opened.';
COMMENT ON COLUMN opened_ballots.sealed IS 'The table of ballots, each content once with how many are like it, sorted by content; sealed by a key outside the database.';
COMMENT ON COLUMN opened_ballots.study_id IS 'Study.';
