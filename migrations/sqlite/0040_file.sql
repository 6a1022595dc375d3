-- Files of answers, whose bytes lie in a folder or bucket. A twin of migrations/postgres/0040_file.sql.

CREATE TABLE file ( -- Files that came with a page.
    id BLOB PRIMARY KEY CHECK (length(id) = 16), -- Random: the name its bytes lie under, and by which an answer names it.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    state TEXT NOT NULL CHECK (state IN ('waiting', 'kept', 'leaving')), -- Waits for its form to be sent; is an answer; is being deleted.
    bytes INTEGER NOT NULL, -- How long it is, or may become while it comes in.
    day TEXT NOT NULL -- Day of the study's zone on which it came.
) STRICT, WITHOUT ROWID;

CREATE INDEX file_waiting ON file (state, day) WHERE state <> 'kept';
