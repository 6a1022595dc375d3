-- A corrected reference binds. A twin of migrations/postgres/0071_subject_reference.sql.

ALTER TABLE study ADD COLUMN facts_bound INTEGER NOT NULL DEFAULT 0 /* Number of the last fact whose correction of a reference or a site binds. */;

ALTER TABLE subject ADD COLUMN site_corrected TEXT /* Code of the site by a correction of it; none where it is the one the subject was enrolled at. */;

CREATE TABLE subject_reference ( -- References of subjects beside the one that makes a subject the same.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    reference_key TEXT NOT NULL, -- The reference as in subject.reference_key, without the number of a screening.
    subject_id INTEGER NOT NULL REFERENCES subject (id), -- Whose it is or was.
    fact_number INTEGER NOT NULL, -- Number of the correction.
    state TEXT NOT NULL CHECK (state IN ('earlier', 'taken')), -- earlier: it was the subject's until it was corrected; taken: it would be right, and was another subject's already.
    PRIMARY KEY (study_id, reference_key, subject_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX subject_reference_subject ON subject_reference (subject_id);
