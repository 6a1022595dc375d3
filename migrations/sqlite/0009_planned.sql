-- Amendments planned for a day, and cohorts of which people were told. A twin of migrations/postgres/0009_planned.sql.

CREATE TABLE planned_amendment ( -- Amendments that are to come into force at a moment.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number INTEGER NOT NULL, -- Counted from 1 in the study.
    digest BLOB NOT NULL CHECK (length(digest) = 32), -- SHA-256 over the files.
    files TEXT NOT NULL, -- JSON object, path to text.
    due_at INTEGER NOT NULL, -- When it is to come into force.
    planned_at INTEGER NOT NULL, -- When it was planned.
    actor TEXT NOT NULL, -- Who planned it.
    reason TEXT NOT NULL, -- Why, in their words.
    state TEXT NOT NULL CHECK (state IN ('waiting', 'in-force', 'withdrawn', 'failed')), -- What became of it.
    settled_at INTEGER, -- When that was decided; absent while it waits.
    note TEXT NOT NULL, -- Why it was withdrawn, or could not come into force.
    PRIMARY KEY (study_id, number)
) STRICT;

CREATE TABLE cohort_notice ( -- Cohorts of which people were told that they are filling.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    cohort TEXT NOT NULL, -- Its id.
    told_at INTEGER NOT NULL, -- When.
    PRIMARY KEY (study_id, cohort)
) STRICT;

CREATE INDEX planned_amendment_due ON planned_amendment (due_at) WHERE state = 'waiting';
