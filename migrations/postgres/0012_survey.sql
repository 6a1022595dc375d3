-- Participants, their credentials, and what they answered. A twin of migrations/sqlite/0012_survey.sql.

ALTER TABLE study ADD COLUMN participants BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN study.participants IS 'Number of the last participant.';
ALTER TABLE study ADD COLUMN responses BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN study.responses IS 'Number of responses that count.';

CREATE TABLE participant (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id BIGINT NOT NULL REFERENCES study (id),
    number BIGINT NOT NULL,
    reference TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    language TEXT NOT NULL,
    attributes TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'withdrawn')),
    created_at BIGINT NOT NULL,
    UNIQUE (study_id, number)
);
COMMENT ON TABLE participant IS 'Persons who answer about themselves.';
COMMENT ON COLUMN participant.id IS 'Given by the database.';
COMMENT ON COLUMN participant.study_id IS 'Study.';
COMMENT ON COLUMN participant.number IS 'Counted from 1 in the study.';
COMMENT ON COLUMN participant.reference IS 'What the list of participants calls them; empty where it does not.';
COMMENT ON COLUMN participant.name IS 'Name to greet; empty if unknown.';
COMMENT ON COLUMN participant.address IS 'Folded address letters go to; empty where there is none.';
COMMENT ON COLUMN participant.language IS 'Language of their letters and pages; empty for the study''s first.';
COMMENT ON COLUMN participant.attributes IS 'JSON, further columns of the list of participants.';
COMMENT ON COLUMN participant.state IS 'Whether they are asked.';
COMMENT ON COLUMN participant.created_at IS 'When they came in.';

CREATE INDEX participant_address ON participant (study_id, address);
CREATE UNIQUE INDEX participant_reference ON participant (study_id, reference) WHERE reference <> '';

CREATE TABLE credential (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    study_id BIGINT NOT NULL REFERENCES study (id),
    participant_id BIGINT REFERENCES participant (id),
    link_digest BYTEA UNIQUE CHECK (length(link_digest) = 32),
    login TEXT,
    password_digest BYTEA CHECK (length(password_digest) = 32),
    state TEXT NOT NULL CHECK (state IN ('active', 'revoked', 'replaced')),
    uses BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    expires_at BIGINT,
    issued_at BIGINT
);
COMMENT ON TABLE credential IS 'Secrets that let somebody answer; only digests are kept.';
COMMENT ON COLUMN credential.id IS 'Random, so that it tells no order.';
COMMENT ON COLUMN credential.study_id IS 'Study.';
COMMENT ON COLUMN credential.participant_id IS 'Whose; none where nobody may know.';
COMMENT ON COLUMN credential.link_digest IS 'SHA-256 of the secret in the link; none if there is no link.';
COMMENT ON COLUMN credential.login IS 'What is typed beside the password; none if there is no password.';
COMMENT ON COLUMN credential.password_digest IS 'SHA-256 of login and password.';
COMMENT ON COLUMN credential.state IS 'Whether it opens anything.';
COMMENT ON COLUMN credential.uses IS 'How often it may be used; 0 for as often as wanted.';
COMMENT ON COLUMN credential.valid_from IS 'Not before.';
COMMENT ON COLUMN credential.expires_at IS 'Not from then on; none if it does not expire by itself.';
COMMENT ON COLUMN credential.issued_at IS 'When it was issued; none where times could join a person to answers.';

CREATE UNIQUE INDEX credential_login ON credential (study_id, login) WHERE login IS NOT NULL;
CREATE INDEX credential_participant ON credential (participant_id) WHERE participant_id IS NOT NULL;
CREATE INDEX credential_study ON credential (study_id, state);

CREATE TABLE answered (
    credential_id BYTEA NOT NULL REFERENCES credential (id),
    occasion BIGINT NOT NULL,
    submission BYTEA NOT NULL CHECK (length(submission) = 16),
    receipt TEXT NOT NULL,
    day TEXT NOT NULL,
    PRIMARY KEY (credential_id, occasion)
);
COMMENT ON TABLE answered IS 'That a credential was used: what makes every response count once.';
COMMENT ON COLUMN answered.credential_id IS 'Which.';
COMMENT ON COLUMN answered.occasion IS 'Counted from 1; more than 1 only where a credential may be used again.';
COMMENT ON COLUMN answered.submission IS 'Random mark of the page that was sent: sent again, it is the same response.';
COMMENT ON COLUMN answered.receipt IS 'Receipt number that was shown.';
COMMENT ON COLUMN answered.day IS 'Day of the study''s zone.';

CREATE UNIQUE INDEX answered_submission ON answered (credential_id, submission);

CREATE TABLE response (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    study_id BIGINT NOT NULL REFERENCES study (id),
    instrument TEXT NOT NULL,
    bundle_version BIGINT NOT NULL,
    participant_id BIGINT REFERENCES participant (id),
    subject_id BIGINT REFERENCES subject (id),
    event TEXT NOT NULL,
    occasion BIGINT NOT NULL,
    person TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('web', 'mail', 'import')),
    language TEXT NOT NULL,
    answers TEXT NOT NULL,
    typed TEXT NOT NULL,
    answered_at BIGINT,
    replaces BYTEA CHECK (length(replaces) = 16),
    reason TEXT NOT NULL,
    current BIGINT NOT NULL CHECK (current IN (0, 1)),
    audit_digest BYTEA CHECK (length(audit_digest) = 32)
);
COMMENT ON TABLE response IS 'Instruments filled in.';
COMMENT ON COLUMN response.id IS 'Random, so that it tells no order.';
COMMENT ON COLUMN response.study_id IS 'Study.';
COMMENT ON COLUMN response.instrument IS 'Id of the instrument.';
COMMENT ON COLUMN response.bundle_version IS 'Version of the bundle it was read by.';
COMMENT ON COLUMN response.participant_id IS 'Who answered about themselves; none where nobody may know.';
COMMENT ON COLUMN response.subject_id IS 'Which subject it is about.';
COMMENT ON COLUMN response.event IS 'Id of the event of a subject''s course; empty where there is none.';
COMMENT ON COLUMN response.occasion IS 'Counted from 1 among those of the same person or subject, instrument and event.';
COMMENT ON COLUMN response.person IS 'Id of the person or member who answered; empty for participants.';
COMMENT ON COLUMN response.channel IS 'Which way it came.';
COMMENT ON COLUMN response.language IS 'Language of the page or mail; empty where nobody may know.';
COMMENT ON COLUMN response.answers IS 'JSON, item to normalized value.';
COMMENT ON COLUMN response.typed IS 'JSON, item to text as typed; empty where nobody may know.';
COMMENT ON COLUMN response.answered_at IS 'When; none where times could join a person to answers.';
COMMENT ON COLUMN response.replaces IS 'The response of which it is a correction.';
COMMENT ON COLUMN response.reason IS 'Why it was corrected, in their words; empty for the first.';
COMMENT ON COLUMN response.current IS 'Whether no correction of it came.';
COMMENT ON COLUMN response.audit_digest IS 'Digest of the audit entry that recorded it; none where it could join a person to answers.';

CREATE UNIQUE INDEX response_participant ON response (participant_id, instrument, event, occasion) WHERE participant_id IS NOT NULL AND current = 1;
CREATE UNIQUE INDEX response_subject ON response (subject_id, instrument, event, occasion) WHERE subject_id IS NOT NULL AND current = 1;
CREATE INDEX response_study ON response (study_id, instrument);

CREATE TABLE draft (
    credential_id BYTEA PRIMARY KEY REFERENCES credential (id),
    sealed BYTEA NOT NULL,
    day TEXT NOT NULL
);
COMMENT ON TABLE draft IS 'Answers not sent yet, sealed by the credential''s own secret: nobody else can read them.';
COMMENT ON COLUMN draft.credential_id IS 'Whose.';
COMMENT ON COLUMN draft.sealed IS 'The answers and the page, encrypted.';
COMMENT ON COLUMN draft.day IS 'Day of the study''s zone on which it was kept.';
