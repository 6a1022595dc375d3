-- Enrollment can end long before the study does. A twin of migrations/postgres/0038_enrollment_end.sql.

ALTER TABLE study ADD COLUMN enrollment_ended_at INTEGER /* When enrollment ended; none while it goes on. */;
