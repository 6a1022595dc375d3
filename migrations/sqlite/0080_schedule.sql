-- The letters of schedules: what comes next, what became of each, and links that letters bring. A twin of migrations/postgres/0080_schedule.sql.

CREATE TABLE planned_letter ( -- The next letter of one rule of a schedule to one target: never more than the next, so that an amendment moves few rows.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    target_kind TEXT NOT NULL CHECK (target_kind IN ('participant', 'subject', 'person')), -- What it is about.
    target TEXT NOT NULL, -- Number of the participant or subject in the database, or id of the person.
    rule TEXT NOT NULL, -- Id of the rule in schedule.toml.
    letter TEXT NOT NULL, -- Which letter.
    state TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'ended')), -- How far it has come: it waits, a person stopped it, or none comes.
    occasion TEXT NOT NULL, -- Which of the rule's letters: what it is counted from, and its number; empty where none comes.
    due_at INTEGER NOT NULL, -- When it goes out, in microseconds since 1970; where none comes, when that was decided.
    wished_at INTEGER NOT NULL, -- Its time by the rule, in microseconds since 1970.
    urged INTEGER NOT NULL, -- 1 if a person has it sent whatever its time.
    why TEXT NOT NULL, -- Why it was moved, or why none comes.
    past_occasion TEXT, -- The last one that was sent or left out; none before.
    past_wished_at INTEGER, -- Its time by the rule, in microseconds since 1970.
    sent_at INTEGER, -- When the last one was written, in microseconds since 1970; none before.
    PRIMARY KEY (study_id, target_kind, target, rule)
) STRICT;

CREATE INDEX planned_letter_due ON planned_letter (study_id, due_at) WHERE state = 'waiting';

CREATE TABLE settled_letter ( -- What became of a letter of a schedule. That there is one row for each is what sends each once.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    target_kind TEXT NOT NULL CHECK (target_kind IN ('participant', 'subject', 'person')), -- What it is about.
    target TEXT NOT NULL, -- Number of the participant or subject in the database, or id of the person.
    rule TEXT NOT NULL, -- Id of the rule in schedule.toml.
    occasion TEXT NOT NULL, -- Which of the rule's letters.
    state TEXT NOT NULL CHECK (state IN ('written', 'skipped', 'dropped')), -- Written, left out, or taken out of the outbox again.
    wished_at INTEGER NOT NULL, -- Its time by the rule, in microseconds since 1970.
    settled_at INTEGER NOT NULL, -- When that was decided, in microseconds since 1970.
    why TEXT NOT NULL, -- Why, where it was not sent.
    message_id TEXT, -- Message-ID of what was written.
    PRIMARY KEY (study_id, target_kind, target, rule, occasion)
) STRICT;

CREATE INDEX settled_letter_by_message ON settled_letter (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE schedule_rule ( -- The rules of the schedule in force.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    rule TEXT NOT NULL, -- Id.
    begins_at INTEGER NOT NULL, -- Since when there is the rule, in microseconds since 1970: letters of a time before are not made up for.
    held INTEGER NOT NULL, -- 1 while a person has stopped its letters, those to come among them.
    PRIMARY KEY (study_id, rule)
) STRICT;

CREATE TABLE schedule_mark ( -- How far the letters of a study were planned by the version in force.
    study_id INTEGER PRIMARY KEY REFERENCES study (id), -- Study.
    version INTEGER NOT NULL, -- Version of the bundle; 0 before the first.
    cursor INTEGER NOT NULL, -- Number of the last participant and subject that was planned for; -1 once all were.
    since INTEGER NOT NULL -- Rules begin no earlier, in microseconds since 1970: when letters of schedules came to be sent at all.
) STRICT;

-- What a schedule said before this version was never sent: it is not made up for.
INSERT INTO schedule_mark (study_id, version, cursor, since) SELECT id, 0, 0, CAST(strftime('%s', 'now') AS INTEGER) * 1000000 FROM study;

CREATE TABLE schedule_touch ( -- Something happened to a target by which other letters may come: they are planned anew.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    target_kind TEXT NOT NULL CHECK (target_kind IN ('participant', 'subject', 'person')), -- What it is about.
    target TEXT NOT NULL, -- Number of the participant or subject in the database, or id of the person.
    PRIMARY KEY (study_id, target_kind, target)
) STRICT;

CREATE TABLE credential_link ( -- One more link of a credential: letters of schedules bring one each, for only digests are kept, and the links before go on opening.
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32), -- SHA-256 of the secret in the link.
    credential_id BLOB NOT NULL REFERENCES credential (id) -- Credential that it opens.
) STRICT;

CREATE INDEX credential_link_of ON credential_link (credential_id);
