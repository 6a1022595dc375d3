-- Enrollment can end long before the study does. A twin of migrations/sqlite/0038_enrollment_end.sql.

ALTER TABLE study ADD COLUMN enrollment_ended_at BIGINT;
COMMENT ON COLUMN study.enrollment_ended_at IS 'When enrollment ended; none while it goes on.';
