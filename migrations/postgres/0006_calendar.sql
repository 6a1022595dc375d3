CREATE TABLE calendar_mark (
    study_id BIGINT NOT NULL REFERENCES study (id),
    what TEXT NOT NULL,
    next_at BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    PRIMARY KEY (study_id, what)
);
COMMENT ON TABLE calendar_mark IS 'What is done at a time of day, and when it is next due.';
COMMENT ON COLUMN calendar_mark.study_id IS 'Study.';
COMMENT ON COLUMN calendar_mark.what IS 'daily.';
COMMENT ON COLUMN calendar_mark.next_at IS 'When it is next due.';
COMMENT ON COLUMN calendar_mark.seen IS 'Number of audit entries when it was last done.';
