-- The letters of schedules: what comes next, what became of each, and links that letters bring. A twin of migrations/sqlite/0080_schedule.sql.

CREATE TABLE planned_letter (
    study_id BIGINT NOT NULL REFERENCES study (id),
    target_kind TEXT NOT NULL CHECK (target_kind IN ('participant', 'subject', 'person')),
    target TEXT NOT NULL,
    rule TEXT NOT NULL,
    letter TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'ended')),
    occasion TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    wished_at BIGINT NOT NULL,
    urged BIGINT NOT NULL,
    why TEXT NOT NULL,
    past_occasion TEXT,
    past_wished_at BIGINT,
    sent_at BIGINT,
    PRIMARY KEY (study_id, target_kind, target, rule)
);
COMMENT ON TABLE planned_letter IS 'The next letter of one rule of a schedule to one target: never more than the next, so that an amendment moves few rows.';
COMMENT ON COLUMN planned_letter.study_id IS 'Study.';
COMMENT ON COLUMN planned_letter.target_kind IS 'What it is about.';
COMMENT ON COLUMN planned_letter.target IS 'Number of the participant or subject in the database, or id of the person.';
COMMENT ON COLUMN planned_letter.rule IS 'Id of the rule in schedule.toml.';
COMMENT ON COLUMN planned_letter.letter IS 'Which letter.';
COMMENT ON COLUMN planned_letter.state IS 'How far it has come: it waits, a person stopped it, or none comes.';
COMMENT ON COLUMN planned_letter.occasion IS 'Which of the rule''s letters: what it is counted from, and its number; empty where none comes.';
COMMENT ON COLUMN planned_letter.due_at IS 'When it goes out, in microseconds since 1970; where none comes, when that was decided.';
COMMENT ON COLUMN planned_letter.wished_at IS 'Its time by the rule, in microseconds since 1970.';
COMMENT ON COLUMN planned_letter.urged IS '1 if a person has it sent whatever its time.';
COMMENT ON COLUMN planned_letter.why IS 'Why it was moved, or why none comes.';
COMMENT ON COLUMN planned_letter.past_occasion IS 'The last one that was sent or left out; none before.';
COMMENT ON COLUMN planned_letter.past_wished_at IS 'Its time by the rule, in microseconds since 1970.';
COMMENT ON COLUMN planned_letter.sent_at IS 'When the last one was written, in microseconds since 1970; none before.';

CREATE INDEX planned_letter_due ON planned_letter (study_id, due_at) WHERE state = 'waiting';

CREATE TABLE settled_letter (
    study_id BIGINT NOT NULL REFERENCES study (id),
    target_kind TEXT NOT NULL CHECK (target_kind IN ('participant', 'subject', 'person')),
    target TEXT NOT NULL,
    rule TEXT NOT NULL,
    occasion TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('written', 'skipped', 'dropped')),
    wished_at BIGINT NOT NULL,
    settled_at BIGINT NOT NULL,
    why TEXT NOT NULL,
    message_id TEXT,
    PRIMARY KEY (study_id, target_kind, target, rule, occasion)
);
COMMENT ON TABLE settled_letter IS 'What became of a letter of a schedule. That there is one row for each is what sends each once.';
COMMENT ON COLUMN settled_letter.study_id IS 'Study.';
COMMENT ON COLUMN settled_letter.target_kind IS 'What it is about.';
COMMENT ON COLUMN settled_letter.target IS 'Number of the participant or subject in the database, or id of the person.';
COMMENT ON COLUMN settled_letter.rule IS 'Id of the rule in schedule.toml.';
COMMENT ON COLUMN settled_letter.occasion IS 'Which of the rule''s letters.';
COMMENT ON COLUMN settled_letter.state IS 'Written, left out, or taken out of the outbox again.';
COMMENT ON COLUMN settled_letter.wished_at IS 'Its time by the rule, in microseconds since 1970.';
COMMENT ON COLUMN settled_letter.settled_at IS 'When that was decided, in microseconds since 1970.';
COMMENT ON COLUMN settled_letter.why IS 'Why, where it was not sent.';
COMMENT ON COLUMN settled_letter.message_id IS 'Message-ID of what was written.';

CREATE INDEX settled_letter_by_message ON settled_letter (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE schedule_rule (
    study_id BIGINT NOT NULL REFERENCES study (id),
    rule TEXT NOT NULL,
    begins_at BIGINT NOT NULL,
    held BIGINT NOT NULL,
    PRIMARY KEY (study_id, rule)
);
COMMENT ON TABLE schedule_rule IS 'The rules of the schedule in force.';
COMMENT ON COLUMN schedule_rule.study_id IS 'Study.';
COMMENT ON COLUMN schedule_rule.rule IS 'Id.';
COMMENT ON COLUMN schedule_rule.begins_at IS 'Since when there is the rule, in microseconds since 1970: letters of a time before are not made up for.';
COMMENT ON COLUMN schedule_rule.held IS '1 while a person has stopped its letters, those to come among them.';

CREATE TABLE schedule_mark (
    study_id BIGINT PRIMARY KEY REFERENCES study (id),
    version BIGINT NOT NULL,
    cursor BIGINT NOT NULL,
    since BIGINT NOT NULL
);
COMMENT ON TABLE schedule_mark IS 'How far the letters of a study were planned by the version in force.';
COMMENT ON COLUMN schedule_mark.study_id IS 'Study.';
COMMENT ON COLUMN schedule_mark.version IS 'Version of the bundle; 0 before the first.';
COMMENT ON COLUMN schedule_mark.cursor IS 'Number of the last participant and subject that was planned for; -1 once all were.';
COMMENT ON COLUMN schedule_mark.since IS 'Rules begin no earlier, in microseconds since 1970: when letters of schedules came to be sent at all.';

-- What a schedule said before this version was never sent: it is not made up for.
INSERT INTO schedule_mark (study_id, version, cursor, since) SELECT id, 0, 0, CAST(extract(epoch FROM now()) AS BIGINT) * 1000000 FROM study;

CREATE TABLE schedule_touch (
    study_id BIGINT NOT NULL REFERENCES study (id),
    target_kind TEXT NOT NULL CHECK (target_kind IN ('participant', 'subject', 'person')),
    target TEXT NOT NULL,
    PRIMARY KEY (study_id, target_kind, target)
);
COMMENT ON TABLE schedule_touch IS 'Something happened to a target by which other letters may come: they are planned anew.';
COMMENT ON COLUMN schedule_touch.study_id IS 'Study.';
COMMENT ON COLUMN schedule_touch.target_kind IS 'What it is about.';
COMMENT ON COLUMN schedule_touch.target IS 'Number of the participant or subject in the database, or id of the person.';

CREATE TABLE credential_link (
    digest BYTEA PRIMARY KEY CHECK (length(digest) = 32),
    credential_id BYTEA NOT NULL REFERENCES credential (id)
);
COMMENT ON TABLE credential_link IS 'One more link of a credential: letters of schedules bring one each, for only digests are kept, and the links before go on opening.';
COMMENT ON COLUMN credential_link.digest IS 'SHA-256 of the secret in the link.';
COMMENT ON COLUMN credential_link.credential_id IS 'Credential that it opens.';

CREATE INDEX credential_link_of ON credential_link (credential_id);
