-- A corrected reference binds. A twin of migrations/sqlite/0071_subject_reference.sql.

ALTER TABLE study ADD COLUMN facts_bound BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN study.facts_bound IS 'Number of the last fact whose correction of a reference or a site binds.';

ALTER TABLE subject ADD COLUMN site_corrected TEXT;
COMMENT ON COLUMN subject.site_corrected IS 'Code of the site by a correction of it; none where it is the one the subject was enrolled at.';

CREATE TABLE subject_reference (
    study_id BIGINT NOT NULL REFERENCES study (id),
    reference_key TEXT NOT NULL,
    subject_id BIGINT NOT NULL REFERENCES subject (id),
    fact_number BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('earlier', 'taken')),
    PRIMARY KEY (study_id, reference_key, subject_id)
);
COMMENT ON TABLE subject_reference IS 'References of subjects beside the one that makes a subject the same.';
COMMENT ON COLUMN subject_reference.study_id IS 'Study.';
COMMENT ON COLUMN subject_reference.reference_key IS 'The reference as in subject.reference_key, without the number of a screening.';
COMMENT ON COLUMN subject_reference.subject_id IS 'Whose it is or was.';
COMMENT ON COLUMN subject_reference.fact_number IS 'Number of the correction.';
COMMENT ON COLUMN subject_reference.state IS 'earlier: it was the subject''s until it was corrected; taken: it would be right, and was another subject''s already.';
CREATE INDEX subject_reference_subject ON subject_reference (subject_id);
