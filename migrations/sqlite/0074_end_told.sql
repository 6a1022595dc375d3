-- Whoever asks for a link after its end is told so, and those in charge hear of it once. A twin of migrations/postgres/0074_end_told.sql.

ALTER TABLE credential ADD COLUMN end_told INTEGER NOT NULL DEFAULT 0 /* 1 once those in charge were told that a link was asked for after its end. */;
