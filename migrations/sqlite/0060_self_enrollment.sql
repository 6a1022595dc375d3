-- Participants who enroll themselves. A twin of migrations/postgres/0060_self_enrollment.sql.

ALTER TABLE subject ADD COLUMN participant_id INTEGER REFERENCES participant (id) /* The participant who enrolled themself as this subject; none where somebody of the staff enrolled it. */;

CREATE UNIQUE INDEX subject_participant ON subject (participant_id) WHERE participant_id IS NOT NULL;

ALTER TABLE participant ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0 /* How often they wanted to enroll themself and were refused. */;
