-- Files of answers, whose bytes lie in a folder or bucket. A twin of migrations/sqlite/0040_file.sql.

CREATE TABLE file (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    study_id BIGINT NOT NULL REFERENCES study (id),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'kept', 'leaving')),
    bytes BIGINT NOT NULL,
    day TEXT NOT NULL
);
COMMENT ON TABLE file IS 'Files that came with a page.';
COMMENT ON COLUMN file.id IS 'Random: the name its bytes lie under, and by which an answer names it.';
COMMENT ON COLUMN file.study_id IS 'Study.';
COMMENT ON COLUMN file.state IS 'Waits for its form to be sent; is an answer; is being deleted.';
COMMENT ON COLUMN file.bytes IS 'How long it is, or may become while it comes in.';
COMMENT ON COLUMN file.day IS 'Day of the study''s zone on which it came.';

CREATE INDEX file_waiting ON file (state, day) WHERE state <> 'kept';
