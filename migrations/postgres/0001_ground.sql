-- The first tables. A twin of migrations/sqlite/0001_ground.sql: same numbers, names, tables, columns and comments.
-- Instants are microseconds since 1970-01-01T00:00:00Z. Digests and secrets are 32 bytes. JSON is kept as text.

CREATE TABLE study (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug TEXT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('development', 'production')),
    state TEXT NOT NULL CHECK (state IN ('open', 'paused', 'closed')),
    bundle_version BIGINT NOT NULL,
    secret BYTEA NOT NULL CHECK (length(secret) = 32),
    secret_digest BYTEA NOT NULL CHECK (length(secret_digest) = 32),
    subjects BIGINT NOT NULL,
    allocations BIGINT NOT NULL,
    chain_length BIGINT NOT NULL,
    chain_head BYTEA NOT NULL CHECK (length(chain_head) = 32),
    activated_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (slug, stage)
);
COMMENT ON TABLE study IS 'A study at one stage, with the counters and the chain head that its row lock protects.';
COMMENT ON COLUMN study.id IS 'Given by the database.';
COMMENT ON COLUMN study.slug IS 'Name in addresses, folders and commands.';
COMMENT ON COLUMN study.stage IS 'Rehearsal or the real thing; each has its own numbers and secret.';
COMMENT ON COLUMN study.state IS 'Whether it takes enrollments.';
COMMENT ON COLUMN study.bundle_version IS 'Version of the bundle in force.';
COMMENT ON COLUMN study.secret IS 'What the draws are made from.';
COMMENT ON COLUMN study.secret_digest IS 'SHA-256 of the secret, shown when the study is activated.';
COMMENT ON COLUMN study.subjects IS 'Number of the last subject.';
COMMENT ON COLUMN study.allocations IS 'Number of the last allocation.';
COMMENT ON COLUMN study.chain_length IS 'Number of audit entries.';
COMMENT ON COLUMN study.chain_head IS 'Digest of the last audit entry; zeros before the first.';
COMMENT ON COLUMN study.activated_at IS 'When the first bundle of this stage came into force.';
COMMENT ON COLUMN study.changed_at IS 'When state or bundle last changed.';

CREATE INDEX study_changed ON study (changed_at);

CREATE TABLE bundle (
    study_id BIGINT NOT NULL REFERENCES study (id),
    version BIGINT NOT NULL,
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    files TEXT NOT NULL,
    activated_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (study_id, version)
);
COMMENT ON TABLE bundle IS 'The files that define a study, one row for each numbered version; never changed.';
COMMENT ON COLUMN bundle.study_id IS 'Whose.';
COMMENT ON COLUMN bundle.version IS 'Counted from 1.';
COMMENT ON COLUMN bundle.digest IS 'SHA-256 over the files.';
COMMENT ON COLUMN bundle.files IS 'JSON object, path to text.';
COMMENT ON COLUMN bundle.activated_at IS 'When it came into force.';
COMMENT ON COLUMN bundle.actor IS 'Who put it into force.';
COMMENT ON COLUMN bundle.reason IS 'Why; empty for the first.';

CREATE TABLE inbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mailbox TEXT NOT NULL,
    item_key TEXT NOT NULL,
    raw_digest BYTEA NOT NULL CHECK (length(raw_digest) = 32),
    size BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done', 'held', 'dropped')),
    disposition TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    tries BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL DEFAULT 0,
    lease_owner TEXT NOT NULL DEFAULT '',
    released_by TEXT,
    decided_at BIGINT,
    study_id BIGINT,
    subject_id BIGINT,
    person TEXT,
    reading TEXT,
    filed_folder TEXT,
    filed_at BIGINT,
    UNIQUE (mailbox, item_key)
);
COMMENT ON TABLE inbox IS 'Mails received, and what became of them.';
COMMENT ON COLUMN inbox.id IS 'Given by the database; the order of work.';
COMMENT ON COLUMN inbox.mailbox IS 'Mailbox it came from.';
COMMENT ON COLUMN inbox.item_key IS 'Its place in the mailbox: UIDVALIDITY and UID, or a file name.';
COMMENT ON COLUMN inbox.raw_digest IS 'SHA-256 of the bytes kept.';
COMMENT ON COLUMN inbox.size IS 'Size in the mailbox, in bytes; more than what is kept if the mail was too large.';
COMMENT ON COLUMN inbox.received_at IS 'When it was taken in.';
COMMENT ON COLUMN inbox.state IS 'To be read, decided, in quarantine, or put aside by a person.';
COMMENT ON COLUMN inbox.disposition IS 'What was decided (register, reply_error and so on); empty before.';
COMMENT ON COLUMN inbox.reason IS 'Why, as a key; empty where there is nothing to say.';
COMMENT ON COLUMN inbox.tries IS 'Tries to read it, each counted before it is made.';
COMMENT ON COLUMN inbox.lease_until IS 'Until when its reader owns it; 0 if nobody does.';
COMMENT ON COLUMN inbox.lease_owner IS 'Its reader; empty if nobody.';
COMMENT ON COLUMN inbox.released_by IS 'Who let it out of quarantine and so vouches for it.';
COMMENT ON COLUMN inbox.decided_at IS 'When it was decided or held.';
COMMENT ON COLUMN inbox.study_id IS 'Study it was for.';
COMMENT ON COLUMN inbox.subject_id IS 'Subject it enrolled or asked about.';
COMMENT ON COLUMN inbox.person IS 'Id of the person who wrote it.';
COMMENT ON COLUMN inbox.reading IS 'JSON, how it was read, for people.';
COMMENT ON COLUMN inbox.filed_folder IS 'Folder it was moved to.';
COMMENT ON COLUMN inbox.filed_at IS 'When it was moved there.';

CREATE INDEX inbox_new ON inbox (id) WHERE state = 'new';
CREATE INDEX inbox_held ON inbox (id) WHERE state = 'held';
CREATE INDEX inbox_dropped ON inbox (id) WHERE state = 'dropped';
CREATE INDEX inbox_unfiled ON inbox (mailbox, id) WHERE filed_at IS NULL;
CREATE INDEX inbox_study ON inbox (study_id, id) WHERE study_id IS NOT NULL;

CREATE TABLE inbox_raw (
    inbox_id BIGINT PRIMARY KEY REFERENCES inbox (id),
    raw BYTEA NOT NULL
);
COMMENT ON TABLE inbox_raw IS 'The bytes of a mail received, apart so that the rows that are worked on stay short.';
COMMENT ON COLUMN inbox_raw.inbox_id IS 'Whose.';
COMMENT ON COLUMN inbox_raw.raw IS 'The mail, or its headers if it was too large.';

CREATE TABLE message (
    message_key TEXT PRIMARY KEY,
    content_digest BYTEA NOT NULL CHECK (length(content_digest) = 32),
    inbox_id BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
COMMENT ON TABLE message IS 'First sight of each message, so that a request acts once.';
COMMENT ON COLUMN message.message_key IS 'Message-ID, or a digest where there is none.';
COMMENT ON COLUMN message.content_digest IS 'What the message said.';
COMMENT ON COLUMN message.inbox_id IS 'Mail that brought it first.';
COMMENT ON COLUMN message.seen_at IS 'When.';

CREATE TABLE outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id TEXT NOT NULL UNIQUE,
    mailbox TEXT NOT NULL,
    study_id BIGINT,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'held', 'failed', 'dropped', 'delivered', 'bounced')),
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL DEFAULT 0,
    lease_owner TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    sent_at BIGINT,
    verdict_code BIGINT,
    verdict_text TEXT,
    inbox_id BIGINT,
    subject_id BIGINT,
    report_status TEXT,
    reported_at BIGINT
);
COMMENT ON TABLE outbox IS 'Letters written, and what became of them.';
COMMENT ON COLUMN outbox.id IS 'Given by the database; named in the envelope sender (VERP).';
COMMENT ON COLUMN outbox.message_id IS 'Message-ID, fixed when the letter was written.';
COMMENT ON COLUMN outbox.mailbox IS 'Mailbox it is sent from.';
COMMENT ON COLUMN outbox.study_id IS 'Study it belongs to.';
COMMENT ON COLUMN outbox.kind IS 'Name of its templates.';
COMMENT ON COLUMN outbox.recipient IS 'Address, one for each letter.';
COMMENT ON COLUMN outbox.priority IS 'Smaller goes first.';
COMMENT ON COLUMN outbox.state IS 'How far it has come.';
COMMENT ON COLUMN outbox.attempts IS 'Attempts to send it, each counted before it is made.';
COMMENT ON COLUMN outbox.next_attempt_at IS 'Not before.';
COMMENT ON COLUMN outbox.lease_until IS 'Until when its sender owns it; 0 if nobody does.';
COMMENT ON COLUMN outbox.lease_owner IS 'Its sender; empty if nobody.';
COMMENT ON COLUMN outbox.created_at IS 'When it was written.';
COMMENT ON COLUMN outbox.sent_at IS 'When the server took it.';
COMMENT ON COLUMN outbox.verdict_code IS 'SMTP reply code of the last attempt; 0 if there was no reply.';
COMMENT ON COLUMN outbox.verdict_text IS 'Its text.';
COMMENT ON COLUMN outbox.inbox_id IS 'Mail it answers.';
COMMENT ON COLUMN outbox.subject_id IS 'Subject it is about.';
COMMENT ON COLUMN outbox.report_status IS 'Status of the delivery report (RFC 3463), such as 5.1.1.';
COMMENT ON COLUMN outbox.reported_at IS 'When the report came.';

CREATE INDEX outbox_waiting ON outbox (mailbox, priority, next_attempt_at, id) WHERE state = 'waiting';
CREATE INDEX outbox_held ON outbox (id) WHERE state = 'held';
CREATE INDEX outbox_failed ON outbox (id) WHERE state = 'failed';
CREATE INDEX outbox_bounced ON outbox (id) WHERE state = 'bounced';
CREATE INDEX outbox_dropped ON outbox (id) WHERE state = 'dropped';
CREATE INDEX outbox_recipient ON outbox (recipient, created_at);
CREATE INDEX outbox_inbox ON outbox (inbox_id) WHERE inbox_id IS NOT NULL;
CREATE INDEX outbox_study ON outbox (study_id, id) WHERE study_id IS NOT NULL;

CREATE TABLE outbox_raw (
    outbox_id BIGINT PRIMARY KEY REFERENCES outbox (id),
    raw BYTEA NOT NULL
);
COMMENT ON TABLE outbox_raw IS 'The bytes of a letter, apart so that the rows that are worked on stay short.';
COMMENT ON COLUMN outbox_raw.outbox_id IS 'Whose.';
COMMENT ON COLUMN outbox_raw.raw IS 'The finished mail.';

CREATE TABLE outbox_attempt (
    outbox_id BIGINT NOT NULL REFERENCES outbox (id),
    attempted_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    code BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (outbox_id, attempted_at)
);
COMMENT ON TABLE outbox_attempt IS 'Attempts to send a letter that did not succeed.';
COMMENT ON COLUMN outbox_attempt.outbox_id IS 'Whose.';
COMMENT ON COLUMN outbox_attempt.attempted_at IS 'When it ended.';
COMMENT ON COLUMN outbox_attempt.attempt IS 'Its number, counted from 1; begins anew when a person has the letter tried again.';
COMMENT ON COLUMN outbox_attempt.code IS 'SMTP reply code; 0 if there was no reply.';
COMMENT ON COLUMN outbox_attempt.text IS 'What the server said, or what happened.';

CREATE TABLE subject (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_id BIGINT NOT NULL REFERENCES study (id),
    number BIGINT NOT NULL,
    reference_key TEXT NOT NULL,
    site TEXT NOT NULL,
    person TEXT NOT NULL,
    enrolled_at BIGINT NOT NULL,
    answers TEXT NOT NULL,
    typed TEXT NOT NULL,
    inbox_id BIGINT,
    audit_digest BYTEA NOT NULL CHECK (length(audit_digest) = 32),
    UNIQUE (study_id, number),
    UNIQUE (study_id, reference_key)
);
COMMENT ON TABLE subject IS 'Persons enrolled, known by number.';
COMMENT ON COLUMN subject.id IS 'Given by the database.';
COMMENT ON COLUMN subject.study_id IS 'Study.';
COMMENT ON COLUMN subject.number IS 'Counted from 1 in the study.';
COMMENT ON COLUMN subject.reference_key IS 'The site''s own reference, normalized, with the site where references are unique only there.';
COMMENT ON COLUMN subject.site IS 'Code of the site; empty in a study without sites.';
COMMENT ON COLUMN subject.person IS 'Id of the person who enrolled.';
COMMENT ON COLUMN subject.enrolled_at IS 'When.';
COMMENT ON COLUMN subject.answers IS 'JSON, item to normalized value.';
COMMENT ON COLUMN subject.typed IS 'JSON, item to text as typed.';
COMMENT ON COLUMN subject.inbox_id IS 'Mail that enrolled.';
COMMENT ON COLUMN subject.audit_digest IS 'Digest of the audit entry that recorded it.';

CREATE INDEX subject_site ON subject (study_id, site);
CREATE INDEX subject_person ON subject (study_id, person, id);

CREATE TABLE allocation (
    study_id BIGINT NOT NULL REFERENCES study (id),
    number BIGINT NOT NULL,
    subject_id BIGINT NOT NULL UNIQUE REFERENCES subject (id),
    arm TEXT NOT NULL,
    slot BIGINT,
    block_size BIGINT,
    levels TEXT NOT NULL,
    kit TEXT,
    bundle_version BIGINT NOT NULL,
    allocated_at BIGINT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (study_id, number)
);
COMMENT ON TABLE allocation IS 'Decisions; never changed.';
COMMENT ON COLUMN allocation.study_id IS 'Study.';
COMMENT ON COLUMN allocation.number IS 'Counted from 1 in the study; the draw is a function of it and the study''s secret.';
COMMENT ON COLUMN allocation.subject_id IS 'Who was allocated.';
COMMENT ON COLUMN allocation.arm IS 'Code of the arm.';
COMMENT ON COLUMN allocation.slot IS 'Place in the stratum''s sequence, where the method has one.';
COMMENT ON COLUMN allocation.block_size IS 'Size of the block the slot lies in, where there are blocks.';
COMMENT ON COLUMN allocation.levels IS 'JSON, factor to level, as they were when the decision was made.';
COMMENT ON COLUMN allocation.kit IS 'Code of the kit handed out.';
COMMENT ON COLUMN allocation.bundle_version IS 'Version of the rules.';
COMMENT ON COLUMN allocation.allocated_at IS 'When.';
COMMENT ON COLUMN allocation.record IS 'JSON, how the decision came about.';

CREATE TABLE kit (
    study_id BIGINT NOT NULL REFERENCES study (id),
    position BIGINT NOT NULL,
    code TEXT NOT NULL,
    arm TEXT NOT NULL,
    site TEXT NOT NULL,
    allocation_number BIGINT,
    PRIMARY KEY (study_id, position),
    UNIQUE (study_id, code)
);
COMMENT ON TABLE kit IS 'Kits of blinded studies, in the order they are handed out.';
COMMENT ON COLUMN kit.study_id IS 'Study.';
COMMENT ON COLUMN kit.position IS 'Order.';
COMMENT ON COLUMN kit.code IS 'What the site learns.';
COMMENT ON COLUMN kit.arm IS 'Code of the arm.';
COMMENT ON COLUMN kit.site IS 'Where it lies; empty for the central stock.';
COMMENT ON COLUMN kit.allocation_number IS 'Allocation it was handed out for.';

CREATE INDEX kit_left ON kit (study_id, arm, site, position) WHERE allocation_number IS NULL;

CREATE TABLE audit (
    study_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    body TEXT NOT NULL,
    previous BYTEA NOT NULL CHECK (length(previous) = 32),
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (study_id, seq)
);
COMMENT ON TABLE audit IS 'The chain of what happened: each entry holds the digest of the one before.';
COMMENT ON COLUMN audit.study_id IS 'Study; 0 for the installation''s own chain.';
COMMENT ON COLUMN audit.seq IS 'Counted from 1.';
COMMENT ON COLUMN audit.at IS 'When.';
COMMENT ON COLUMN audit.actor IS 'Who.';
COMMENT ON COLUMN audit.action IS 'What, as a key.';
COMMENT ON COLUMN audit.body IS 'JSON, the particulars.';
COMMENT ON COLUMN audit.previous IS 'Digest of the entry before; zeros for the first.';
COMMENT ON COLUMN audit.digest IS 'SHA-256 over all of this row.';

CREATE TABLE installation (
    id BIGINT PRIMARY KEY CHECK (id = 0),
    chain_length BIGINT NOT NULL,
    chain_head BYTEA NOT NULL CHECK (length(chain_head) = 32)
);
COMMENT ON TABLE installation IS 'The one row that holds the head of the installation''s own chain.';
COMMENT ON COLUMN installation.id IS 'Always 0.';
COMMENT ON COLUMN installation.chain_length IS 'Number of its audit entries.';
COMMENT ON COLUMN installation.chain_head IS 'Digest of the last; zeros before the first.';

INSERT INTO installation (id, chain_length, chain_head)
VALUES (0, 0, decode('0000000000000000000000000000000000000000000000000000000000000000', 'hex'));

CREATE TABLE pending (
    token_digest BYTEA PRIMARY KEY CHECK (length(token_digest) = 32),
    study_id BIGINT NOT NULL REFERENCES study (id),
    person TEXT NOT NULL,
    inbox_id BIGINT,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
COMMENT ON TABLE pending IS 'Requests that wait for a reply to a one-time token.';
COMMENT ON COLUMN pending.token_digest IS 'SHA-256 of the token.';
COMMENT ON COLUMN pending.study_id IS 'Study.';
COMMENT ON COLUMN pending.person IS 'Id of the person who asked.';
COMMENT ON COLUMN pending.inbox_id IS 'Mail that asked.';
COMMENT ON COLUMN pending.body IS 'JSON, the request.';
COMMENT ON COLUMN pending.created_at IS 'When.';
COMMENT ON COLUMN pending.expires_at IS 'Until when the token is good.';
COMMENT ON COLUMN pending.used_at IS 'When it was used.';

CREATE INDEX pending_study ON pending (study_id);

CREATE TABLE mailbox (
    name TEXT PRIMARY KEY,
    uid_validity BIGINT NOT NULL,
    last_uid BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    lease_owner TEXT NOT NULL
);
COMMENT ON TABLE mailbox IS 'How far each mailbox has been taken in, and by whom.';
COMMENT ON COLUMN mailbox.name IS 'Name in the settings.';
COMMENT ON COLUMN mailbox.uid_validity IS 'UIDVALIDITY of the UIDs (RFC 9051 section 2.3.1.1); 0 if there is none.';
COMMENT ON COLUMN mailbox.last_uid IS 'Greatest UID taken in.';
COMMENT ON COLUMN mailbox.lease_until IS 'Until when its reader owns it; 0 if nobody does.';
COMMENT ON COLUMN mailbox.lease_owner IS 'Its reader; empty if nobody.';

CREATE TABLE host (
    name TEXT PRIMARY KEY,
    suspended_until BIGINT NOT NULL,
    failures BIGINT NOT NULL
);
COMMENT ON TABLE host IS 'Mail servers that are away.';
COMMENT ON COLUMN host.name IS 'Host and port.';
COMMENT ON COLUMN host.suspended_until IS 'No attempt before.';
COMMENT ON COLUMN host.failures IS 'Failures in a row.';

CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);
COMMENT ON TABLE secret IS 'Secrets of the installation, made once.';
COMMENT ON COLUMN secret.name IS 'Which.';
COMMENT ON COLUMN secret.value IS 'The secret.';
