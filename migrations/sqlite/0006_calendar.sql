CREATE TABLE calendar_mark ( -- What is done at a time of day, and when it is next due.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    what TEXT NOT NULL, -- daily.
    next_at INTEGER NOT NULL, -- When it is next due.
    seen INTEGER NOT NULL, -- Number of audit entries when it was last done.
    PRIMARY KEY (study_id, what)
) STRICT;
