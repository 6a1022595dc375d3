-- The first tables. A twin of migrations/postgres/0001_ground.sql: same numbers, names, tables, columns and comments.
-- Instants are microseconds since 1970-01-01T00:00:00Z. Digests and secrets are 32 bytes. JSON is kept as text.

CREATE TABLE study ( -- A study at one stage, with the counters and the chain head that its row lock protects.
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- Given by the database.
    slug TEXT NOT NULL, -- Name in addresses, folders and commands.
    stage TEXT NOT NULL CHECK (stage IN ('development', 'production')), -- Rehearsal or the real thing; each has its own numbers and secret.
    state TEXT NOT NULL CHECK (state IN ('open', 'paused', 'closed')), -- Whether it takes enrollments.
    bundle_version INTEGER NOT NULL, -- Version of the bundle in force.
    secret BLOB NOT NULL CHECK (length(secret) = 32), -- What the draws are made from.
    secret_digest BLOB NOT NULL CHECK (length(secret_digest) = 32), -- SHA-256 of the secret, shown when the study is activated.
    subjects INTEGER NOT NULL, -- Number of the last subject.
    allocations INTEGER NOT NULL, -- Number of the last allocation.
    chain_length INTEGER NOT NULL, -- Number of audit entries.
    chain_head BLOB NOT NULL CHECK (length(chain_head) = 32), -- Digest of the last audit entry; zeros before the first.
    activated_at INTEGER NOT NULL, -- When the first bundle of this stage came into force.
    changed_at INTEGER NOT NULL, -- When state or bundle last changed.
    UNIQUE (slug, stage)
) STRICT;

CREATE INDEX study_changed ON study (changed_at);

CREATE TABLE bundle ( -- The files that define a study, one row for each numbered version; never changed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Whose.
    version INTEGER NOT NULL, -- Counted from 1.
    digest BLOB NOT NULL CHECK (length(digest) = 32), -- SHA-256 over the files.
    files TEXT NOT NULL, -- JSON object, path to text.
    activated_at INTEGER NOT NULL, -- When it came into force.
    actor TEXT NOT NULL, -- Who put it into force.
    reason TEXT NOT NULL, -- Why; empty for the first.
    PRIMARY KEY (study_id, version)
) STRICT;

CREATE TABLE inbox ( -- Mails received, and what became of them.
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- Given by the database; the order of work.
    mailbox TEXT NOT NULL, -- Mailbox it came from.
    item_key TEXT NOT NULL, -- Its place in the mailbox: UIDVALIDITY and UID, or a file name.
    raw_digest BLOB NOT NULL CHECK (length(raw_digest) = 32), -- SHA-256 of the bytes kept.
    size INTEGER NOT NULL, -- Size in the mailbox, in bytes; more than what is kept if the mail was too large.
    received_at INTEGER NOT NULL, -- When it was taken in.
    state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'done', 'held', 'dropped')), -- To be read, decided, in quarantine, or put aside by a person.
    disposition TEXT NOT NULL DEFAULT '', -- What was decided (register, reply_error and so on); empty before.
    reason TEXT NOT NULL DEFAULT '', -- Why, as a key; empty where there is nothing to say.
    tries INTEGER NOT NULL DEFAULT 0, -- Tries to read it, each counted before it is made.
    lease_until INTEGER NOT NULL DEFAULT 0, -- Until when its reader owns it; 0 if nobody does.
    lease_owner TEXT NOT NULL DEFAULT '', -- Its reader; empty if nobody.
    released_by TEXT, -- Who let it out of quarantine and so vouches for it.
    decided_at INTEGER, -- When it was decided or held.
    study_id INTEGER, -- Study it was for.
    subject_id INTEGER, -- Subject it enrolled or asked about.
    person TEXT, -- Id of the person who wrote it.
    reading TEXT, -- JSON, how it was read, for people.
    filed_folder TEXT, -- Folder it was moved to.
    filed_at INTEGER, -- When it was moved there.
    UNIQUE (mailbox, item_key)
) STRICT;

CREATE INDEX inbox_new ON inbox (id) WHERE state = 'new';
CREATE INDEX inbox_held ON inbox (id) WHERE state = 'held';
CREATE INDEX inbox_dropped ON inbox (id) WHERE state = 'dropped';
CREATE INDEX inbox_unfiled ON inbox (mailbox, id) WHERE filed_at IS NULL;
CREATE INDEX inbox_study ON inbox (study_id, id) WHERE study_id IS NOT NULL;

CREATE TABLE inbox_raw ( -- The bytes of a mail received, apart so that the rows that are worked on stay short.
    inbox_id INTEGER PRIMARY KEY REFERENCES inbox (id), -- Whose.
    raw BLOB NOT NULL -- The mail, or its headers if it was too large.
) STRICT;

CREATE TABLE message ( -- First sight of each message, so that a request acts once.
    message_key TEXT PRIMARY KEY, -- Message-ID, or a digest where there is none.
    content_digest BLOB NOT NULL CHECK (length(content_digest) = 32), -- What the message said.
    inbox_id INTEGER NOT NULL, -- Mail that brought it first.
    seen_at INTEGER NOT NULL -- When.
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox ( -- Letters written, and what became of them.
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- Given by the database; named in the envelope sender (VERP).
    message_id TEXT NOT NULL UNIQUE, -- Message-ID, fixed when the letter was written.
    mailbox TEXT NOT NULL, -- Mailbox it is sent from.
    study_id INTEGER, -- Study it belongs to.
    kind TEXT NOT NULL, -- Name of its templates.
    recipient TEXT NOT NULL, -- Address, one for each letter.
    priority INTEGER NOT NULL, -- Smaller goes first.
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'held', 'failed', 'dropped', 'delivered', 'bounced')), -- How far it has come.
    attempts INTEGER NOT NULL DEFAULT 0, -- Attempts to send it, each counted before it is made.
    next_attempt_at INTEGER NOT NULL, -- Not before.
    lease_until INTEGER NOT NULL DEFAULT 0, -- Until when its sender owns it; 0 if nobody does.
    lease_owner TEXT NOT NULL DEFAULT '', -- Its sender; empty if nobody.
    created_at INTEGER NOT NULL, -- When it was written.
    sent_at INTEGER, -- When the server took it.
    verdict_code INTEGER, -- SMTP reply code of the last attempt; 0 if there was no reply.
    verdict_text TEXT, -- Its text.
    inbox_id INTEGER, -- Mail it answers.
    subject_id INTEGER, -- Subject it is about.
    report_status TEXT, -- Status of the delivery report (RFC 3463), such as 5.1.1.
    reported_at INTEGER -- When the report came.
) STRICT;

CREATE INDEX outbox_waiting ON outbox (mailbox, priority, next_attempt_at, id) WHERE state = 'waiting';
CREATE INDEX outbox_held ON outbox (id) WHERE state = 'held';
CREATE INDEX outbox_failed ON outbox (id) WHERE state = 'failed';
CREATE INDEX outbox_bounced ON outbox (id) WHERE state = 'bounced';
CREATE INDEX outbox_dropped ON outbox (id) WHERE state = 'dropped';
CREATE INDEX outbox_recipient ON outbox (recipient, created_at);
CREATE INDEX outbox_inbox ON outbox (inbox_id) WHERE inbox_id IS NOT NULL;
CREATE INDEX outbox_study ON outbox (study_id, id) WHERE study_id IS NOT NULL;

CREATE TABLE outbox_raw ( -- The bytes of a letter, apart so that the rows that are worked on stay short.
    outbox_id INTEGER PRIMARY KEY REFERENCES outbox (id), -- Whose.
    raw BLOB NOT NULL -- The finished mail.
) STRICT;

CREATE TABLE outbox_attempt ( -- Attempts to send a letter that did not succeed.
    outbox_id INTEGER NOT NULL REFERENCES outbox (id), -- Whose.
    attempted_at INTEGER NOT NULL, -- When it ended.
    attempt INTEGER NOT NULL, -- Its number, counted from 1; begins anew when a person has the letter tried again.
    code INTEGER NOT NULL, -- SMTP reply code; 0 if there was no reply.
    text TEXT NOT NULL, -- What the server said, or what happened.
    PRIMARY KEY (outbox_id, attempted_at)
) STRICT;

CREATE TABLE subject ( -- Persons enrolled, known by number.
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- Given by the database.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number INTEGER NOT NULL, -- Counted from 1 in the study.
    reference_key TEXT NOT NULL, -- The site's own reference, normalized, with the site where references are unique only there.
    site TEXT NOT NULL, -- Code of the site; empty in a study without sites.
    person TEXT NOT NULL, -- Id of the person who enrolled.
    enrolled_at INTEGER NOT NULL, -- When.
    answers TEXT NOT NULL, -- JSON, item to normalized value.
    typed TEXT NOT NULL, -- JSON, item to text as typed.
    inbox_id INTEGER, -- Mail that enrolled.
    audit_digest BLOB NOT NULL CHECK (length(audit_digest) = 32), -- Digest of the audit entry that recorded it.
    UNIQUE (study_id, number),
    UNIQUE (study_id, reference_key)
) STRICT;

CREATE INDEX subject_site ON subject (study_id, site);
CREATE INDEX subject_person ON subject (study_id, person, id);

CREATE TABLE allocation ( -- Decisions; never changed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number INTEGER NOT NULL, -- Counted from 1 in the study; the draw is a function of it and the study's secret.
    subject_id INTEGER NOT NULL UNIQUE REFERENCES subject (id), -- Who was allocated.
    arm TEXT NOT NULL, -- Code of the arm.
    slot INTEGER, -- Place in the stratum's sequence, where the method has one.
    block_size INTEGER, -- Size of the block the slot lies in, where there are blocks.
    levels TEXT NOT NULL, -- JSON, factor to level, as they were when the decision was made.
    kit TEXT, -- Code of the kit handed out.
    bundle_version INTEGER NOT NULL, -- Version of the rules.
    allocated_at INTEGER NOT NULL, -- When.
    record TEXT NOT NULL, -- JSON, how the decision came about.
    PRIMARY KEY (study_id, number)
) STRICT;

CREATE TABLE kit ( -- Kits of blinded studies, in the order they are handed out.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    position INTEGER NOT NULL, -- Order.
    code TEXT NOT NULL, -- What the site learns.
    arm TEXT NOT NULL, -- Code of the arm.
    site TEXT NOT NULL, -- Where it lies; empty for the central stock.
    allocation_number INTEGER, -- Allocation it was handed out for.
    PRIMARY KEY (study_id, position),
    UNIQUE (study_id, code)
) STRICT;

CREATE INDEX kit_left ON kit (study_id, arm, site, position) WHERE allocation_number IS NULL;

CREATE TABLE audit ( -- The chain of what happened: each entry holds the digest of the one before.
    study_id INTEGER NOT NULL, -- Study; 0 for the installation's own chain.
    seq INTEGER NOT NULL, -- Counted from 1.
    at INTEGER NOT NULL, -- When.
    actor TEXT NOT NULL, -- Who.
    action TEXT NOT NULL, -- What, as a key.
    body TEXT NOT NULL, -- JSON, the particulars.
    previous BLOB NOT NULL CHECK (length(previous) = 32), -- Digest of the entry before; zeros for the first.
    digest BLOB NOT NULL CHECK (length(digest) = 32), -- SHA-256 over all of this row.
    PRIMARY KEY (study_id, seq)
) STRICT;

CREATE TABLE installation ( -- The one row that holds the head of the installation's own chain.
    id INTEGER PRIMARY KEY CHECK (id = 0), -- Always 0.
    chain_length INTEGER NOT NULL, -- Number of its audit entries.
    chain_head BLOB NOT NULL CHECK (length(chain_head) = 32) -- Digest of the last; zeros before the first.
) STRICT;

INSERT INTO installation (id, chain_length, chain_head)
VALUES (0, 0, x'0000000000000000000000000000000000000000000000000000000000000000');

CREATE TABLE pending ( -- Requests that wait for a reply to a one-time token.
    token_digest BLOB PRIMARY KEY CHECK (length(token_digest) = 32), -- SHA-256 of the token.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    person TEXT NOT NULL, -- Id of the person who asked.
    inbox_id INTEGER, -- Mail that asked.
    body TEXT NOT NULL, -- JSON, the request.
    created_at INTEGER NOT NULL, -- When.
    expires_at INTEGER NOT NULL, -- Until when the token is good.
    used_at INTEGER -- When it was used.
) STRICT;

CREATE INDEX pending_study ON pending (study_id);

CREATE TABLE mailbox ( -- How far each mailbox has been taken in, and by whom.
    name TEXT PRIMARY KEY, -- Name in the settings.
    uid_validity INTEGER NOT NULL, -- UIDVALIDITY of the UIDs (RFC 9051 section 2.3.1.1); 0 if there is none.
    last_uid INTEGER NOT NULL, -- Greatest UID taken in.
    lease_until INTEGER NOT NULL, -- Until when its reader owns it; 0 if nobody does.
    lease_owner TEXT NOT NULL -- Its reader; empty if nobody.
) STRICT;

CREATE TABLE host ( -- Mail servers that are away.
    name TEXT PRIMARY KEY, -- Host and port.
    suspended_until INTEGER NOT NULL, -- No attempt before.
    failures INTEGER NOT NULL -- Failures in a row.
) STRICT;

CREATE TABLE secret ( -- Secrets of the installation, made once.
    name TEXT PRIMARY KEY, -- Which.
    value BLOB NOT NULL -- The secret.
) STRICT;
