-- Participants, their credentials, and what they answered. A twin of migrations/postgres/0012_survey.sql.

ALTER TABLE study ADD COLUMN participants INTEGER NOT NULL DEFAULT 0 /* Number of the last participant. */;
ALTER TABLE study ADD COLUMN responses INTEGER NOT NULL DEFAULT 0 /* Number of responses that count. */;

CREATE TABLE participant ( -- Persons who answer about themselves.
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- Given by the database.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number INTEGER NOT NULL, -- Counted from 1 in the study.
    reference TEXT NOT NULL, -- What the list of participants calls them; empty where it does not.
    name TEXT NOT NULL, -- Name to greet; empty if unknown.
    address TEXT NOT NULL, -- Folded address letters go to; empty where there is none.
    language TEXT NOT NULL, -- Language of their letters and pages; empty for the study's first.
    attributes TEXT NOT NULL, -- JSON, further columns of the list of participants.
    state TEXT NOT NULL CHECK (state IN ('active', 'withdrawn')), -- Whether they are asked.
    created_at INTEGER NOT NULL, -- When they came in.
    UNIQUE (study_id, number)
) STRICT;

CREATE INDEX participant_address ON participant (study_id, address);
CREATE UNIQUE INDEX participant_reference ON participant (study_id, reference) WHERE reference <> '';

CREATE TABLE credential ( -- Secrets that let somebody answer; only digests are kept.
    id BLOB PRIMARY KEY CHECK (length(id) = 16), -- Random, so that it tells no order.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    participant_id INTEGER REFERENCES participant (id), -- Whose; none where nobody may know.
    link_digest BLOB UNIQUE CHECK (length(link_digest) = 32), -- SHA-256 of the secret in the link; none if there is no link.
    login TEXT, -- What is typed beside the password; none if there is no password.
    password_digest BLOB CHECK (length(password_digest) = 32), -- SHA-256 of login and password.
    state TEXT NOT NULL CHECK (state IN ('active', 'revoked', 'replaced')), -- Whether it opens anything.
    uses INTEGER NOT NULL, -- How often it may be used; 0 for as often as wanted.
    valid_from INTEGER NOT NULL, -- Not before.
    expires_at INTEGER, -- Not from then on; none if it does not expire by itself.
    issued_at INTEGER -- When it was issued; none where times could join a person to answers.
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX credential_login ON credential (study_id, login) WHERE login IS NOT NULL;
CREATE INDEX credential_participant ON credential (participant_id) WHERE participant_id IS NOT NULL;
CREATE INDEX credential_study ON credential (study_id, state);

CREATE TABLE answered ( -- That a credential was used: what makes every response count once.
    credential_id BLOB NOT NULL REFERENCES credential (id), -- Which.
    occasion INTEGER NOT NULL, -- Counted from 1; more than 1 only where a credential may be used again.
    submission BLOB NOT NULL CHECK (length(submission) = 16), -- Random mark of the page that was sent: sent again, it is the same response.
    receipt TEXT NOT NULL, -- Receipt number that was shown.
    day TEXT NOT NULL, -- Day of the study's zone.
    PRIMARY KEY (credential_id, occasion)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX answered_submission ON answered (credential_id, submission);

CREATE TABLE response ( -- Instruments filled in.
    id BLOB PRIMARY KEY CHECK (length(id) = 16), -- Random, so that it tells no order.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    instrument TEXT NOT NULL, -- Id of the instrument.
    bundle_version INTEGER NOT NULL, -- Version of the bundle it was read by.
    participant_id INTEGER REFERENCES participant (id), -- Who answered about themselves; none where nobody may know.
    subject_id INTEGER REFERENCES subject (id), -- Which subject it is about.
    event TEXT NOT NULL, -- Id of the event of a subject's course; empty where there is none.
    occasion INTEGER NOT NULL, -- Counted from 1 among those of the same person or subject, instrument and event.
    person TEXT NOT NULL, -- Id of the person or member who answered; empty for participants.
    channel TEXT NOT NULL CHECK (channel IN ('web', 'mail', 'import')), -- Which way it came.
    language TEXT NOT NULL, -- Language of the page or mail; empty where nobody may know.
    answers TEXT NOT NULL, -- JSON, item to normalized value.
    typed TEXT NOT NULL, -- JSON, item to text as typed; empty where nobody may know.
    answered_at INTEGER, -- When; none where times could join a person to answers.
    replaces BLOB CHECK (length(replaces) = 16), -- The response of which it is a correction.
    reason TEXT NOT NULL, -- Why it was corrected, in their words; empty for the first.
    current INTEGER NOT NULL CHECK (current IN (0, 1)), -- Whether no correction of it came.
    audit_digest BLOB CHECK (length(audit_digest) = 32) -- Digest of the audit entry that recorded it; none where it could join a person to answers.
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX response_participant ON response (participant_id, instrument, event, occasion) WHERE participant_id IS NOT NULL AND current = 1;
CREATE UNIQUE INDEX response_subject ON response (subject_id, instrument, event, occasion) WHERE subject_id IS NOT NULL AND current = 1;
CREATE INDEX response_study ON response (study_id, instrument);

CREATE TABLE draft ( -- Answers not sent yet, sealed by the credential's own secret: nobody else can read them.
    credential_id BLOB PRIMARY KEY REFERENCES credential (id), -- Whose.
    sealed BLOB NOT NULL, -- The answers and the page, encrypted.
    day TEXT NOT NULL -- Day of the study's zone on which it was kept.
) STRICT, WITHOUT ROWID;
