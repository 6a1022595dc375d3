-- What becomes known of subjects after their enrollment. A twin of migrations/sqlite/0004_subject_fact.sql.

ALTER TABLE study ADD COLUMN facts BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN study.facts IS 'Number of the last fact about a subject.';

CREATE TABLE subject_fact (
    study_id BIGINT NOT NULL REFERENCES study (id),
    number BIGINT NOT NULL,
    subject_id BIGINT NOT NULL REFERENCES subject (id),
    kind TEXT NOT NULL CHECK (kind IN ('unblinded', 'randomized-in-error', 'ineligible', 'wrong-stratum', 'duplicate', 'withdrawn', 'corrected')),
    person TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    changes TEXT NOT NULL,
    levels TEXT,
    of_subject_id BIGINT REFERENCES subject (id),
    after_allocation BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    inbox_id BIGINT,
    audit_digest BYTEA NOT NULL CHECK (length(audit_digest) = 32),
    PRIMARY KEY (study_id, number)
);
COMMENT ON TABLE subject_fact IS 'What became known of subjects after their enrollment, which stays as it was; never changed.';
COMMENT ON COLUMN subject_fact.study_id IS 'Study.';
COMMENT ON COLUMN subject_fact.number IS 'Counted from 1 in the study.';
COMMENT ON COLUMN subject_fact.subject_id IS 'Which subject it is about.';
COMMENT ON COLUMN subject_fact.kind IS 'What became known.';
COMMENT ON COLUMN subject_fact.person IS 'Id of the person who learned the arm or told the fact; the operator''s name where nobody of the study did.';
COMMENT ON COLUMN subject_fact.actor IS 'Who had it recorded: the person, or the operator for them.';
COMMENT ON COLUMN subject_fact.reason IS 'Why, in their words.';
COMMENT ON COLUMN subject_fact.changes IS 'JSON, item to what would have been right; empty where nothing is corrected.';
COMMENT ON COLUMN subject_fact.levels IS 'JSON, factor to level, as they should have been, where an allocation looked at one that was wrong.';
COMMENT ON COLUMN subject_fact.of_subject_id IS 'The subject enrolled before, of which it is a duplicate.';
COMMENT ON COLUMN subject_fact.after_allocation IS 'Number of the last allocation before; decisions from the next on know of it.';
COMMENT ON COLUMN subject_fact.recorded_at IS 'When.';
COMMENT ON COLUMN subject_fact.inbox_id IS 'Mail that asked for it.';
COMMENT ON COLUMN subject_fact.audit_digest IS 'Digest of the audit entry that recorded it.';

CREATE INDEX subject_fact_subject ON subject_fact (subject_id, number);
CREATE INDEX subject_fact_of ON subject_fact (of_subject_id) WHERE of_subject_id IS NOT NULL;
