-- Forms that the staff began and have not sent yet. A twin of migrations/postgres/0090_begun_form.sql.

CREATE TABLE begun_form ( -- What somebody of the staff typed in a form and kept, to go on another time.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    account_id BLOB NOT NULL REFERENCES account (id), -- Whose: nobody else is shown it.
    place TEXT NOT NULL, -- Address of the form below that of the study's cases.
    sealed BLOB NOT NULL, -- What was typed, sealed by the installation's keys.
    kept_at INTEGER NOT NULL, -- When, in microseconds since 1970.
    PRIMARY KEY (study_id, account_id, place)
) STRICT;
