-- Whoever asks for a link after its end is told so, and those in charge hear of it once. A twin of migrations/sqlite/0074_end_told.sql.

ALTER TABLE credential ADD COLUMN end_told BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN credential.end_told IS '1 once those in charge were told that a link was asked for after its end.';
