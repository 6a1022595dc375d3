-- Several allocations of one subject: one of each kind that a study has. A twin of migrations/sqlite/0007_randomization.sql.

ALTER TABLE allocation ADD COLUMN randomization TEXT NOT NULL DEFAULT 'first';
ALTER TABLE allocation ALTER COLUMN randomization DROP DEFAULT;
ALTER TABLE allocation DROP CONSTRAINT allocation_subject_id_key;
ALTER TABLE allocation ADD CONSTRAINT allocation_subject_id_randomization_key UNIQUE (subject_id, randomization);
COMMENT ON COLUMN allocation.randomization IS 'Which of the study''s allocations: first, which comes with enrolling, or the id of a further one.';

CREATE TABLE randomization (
    study_id BIGINT NOT NULL REFERENCES study (id),
    allocation_number BIGINT NOT NULL,
    person TEXT NOT NULL,
    answers TEXT NOT NULL,
    typed TEXT NOT NULL,
    inbox_id BIGINT,
    audit_digest BYTEA NOT NULL CHECK (length(audit_digest) = 32),
    PRIMARY KEY (study_id, allocation_number)
);
COMMENT ON TABLE randomization IS 'Requests for further randomizations that were granted; never changed.';
COMMENT ON COLUMN randomization.study_id IS 'Study.';
COMMENT ON COLUMN randomization.allocation_number IS 'The allocation that came of it.';
COMMENT ON COLUMN randomization.person IS 'Id of the person who asked.';
COMMENT ON COLUMN randomization.answers IS 'JSON, item to normalized value.';
COMMENT ON COLUMN randomization.typed IS 'JSON, item to text as typed.';
COMMENT ON COLUMN randomization.inbox_id IS 'Mail that asked.';
COMMENT ON COLUMN randomization.audit_digest IS 'Digest of the audit entry that recorded it.';

ALTER TABLE subject_fact ADD COLUMN further TEXT;
COMMENT ON COLUMN subject_fact.further IS 'JSON, id of a further randomization to its levels as they should have been, where it looked at one that was wrong.';
