-- What becomes known of subjects after their enrollment. A twin of migrations/postgres/0004_subject_fact.sql.

ALTER TABLE study ADD COLUMN facts INTEGER NOT NULL DEFAULT 0 /* Number of the last fact about a subject. */;

CREATE TABLE subject_fact ( -- What became known of subjects after their enrollment, which stays as it was; never changed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number INTEGER NOT NULL, -- Counted from 1 in the study.
    subject_id INTEGER NOT NULL REFERENCES subject (id), -- Which subject it is about.
    kind TEXT NOT NULL CHECK (kind IN ('unblinded', 'randomized-in-error', 'ineligible', 'wrong-stratum', 'duplicate', 'withdrawn', 'corrected')), -- What became known.
    person TEXT NOT NULL, -- Id of the person who learned the arm or told the fact; the operator's name where nobody of the study did.
    actor TEXT NOT NULL, -- Who had it recorded: the person, or the operator for them.
    reason TEXT NOT NULL, -- Why, in their words.
    changes TEXT NOT NULL, -- JSON, item to what would have been right; empty where nothing is corrected.
    levels TEXT, -- JSON, factor to level, as they should have been, where an allocation looked at one that was wrong.
    of_subject_id INTEGER REFERENCES subject (id), -- The subject enrolled before, of which it is a duplicate.
    after_allocation INTEGER NOT NULL, -- Number of the last allocation before; decisions from the next on know of it.
    recorded_at INTEGER NOT NULL, -- When.
    inbox_id INTEGER, -- Mail that asked for it.
    audit_digest BLOB NOT NULL CHECK (length(audit_digest) = 32), -- Digest of the audit entry that recorded it.
    PRIMARY KEY (study_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX subject_fact_subject ON subject_fact (subject_id, number);
CREATE INDEX subject_fact_of ON subject_fact (of_subject_id) WHERE of_subject_id IS NOT NULL;
