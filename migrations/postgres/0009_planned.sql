-- Amendments planned for a day, and cohorts of which people were told. A twin of migrations/sqlite/0009_planned.sql.

CREATE TABLE planned_amendment (
    study_id BIGINT NOT NULL REFERENCES study (id),
    number BIGINT NOT NULL,
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    files TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    planned_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'in-force', 'withdrawn', 'failed')),
    settled_at BIGINT,
    note TEXT NOT NULL,
    PRIMARY KEY (study_id, number)
);
COMMENT ON TABLE planned_amendment IS 'Amendments that are to come into force at a moment.';
COMMENT ON COLUMN planned_amendment.study_id IS 'Study.';
COMMENT ON COLUMN planned_amendment.number IS 'Counted from 1 in the study.';
COMMENT ON COLUMN planned_amendment.digest IS 'SHA-256 over the files.';
COMMENT ON COLUMN planned_amendment.files IS 'JSON object, path to text.';
COMMENT ON COLUMN planned_amendment.due_at IS 'When it is to come into force.';
COMMENT ON COLUMN planned_amendment.planned_at IS 'When it was planned.';
COMMENT ON COLUMN planned_amendment.actor IS 'Who planned it.';
COMMENT ON COLUMN planned_amendment.reason IS 'Why, in their words.';
COMMENT ON COLUMN planned_amendment.state IS 'What became of it.';
COMMENT ON COLUMN planned_amendment.settled_at IS 'When that was decided; absent while it waits.';
COMMENT ON COLUMN planned_amendment.note IS 'Why it was withdrawn, or could not come into force.';

CREATE TABLE cohort_notice (
    study_id BIGINT NOT NULL REFERENCES study (id),
    cohort TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (study_id, cohort)
);
COMMENT ON TABLE cohort_notice IS 'Cohorts of which people were told that they are filling.';
COMMENT ON COLUMN cohort_notice.study_id IS 'Study.';
COMMENT ON COLUMN cohort_notice.cohort IS 'Its id.';
COMMENT ON COLUMN cohort_notice.told_at IS 'When.';

CREATE INDEX planned_amendment_due ON planned_amendment (due_at) WHERE state = 'waiting';
