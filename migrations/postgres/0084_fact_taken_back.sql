-- A fact that was recorded in error is taken back by another one. A twin of migrations/sqlite/0084_fact_taken_back.sql.

ALTER TABLE subject_fact ADD COLUMN takes_back BIGINT;
COMMENT ON COLUMN subject_fact.takes_back IS 'Number of the fact that was recorded in error, where this one takes it back; that one counts no more from then on.';
ALTER TABLE subject_fact DROP CONSTRAINT subject_fact_kind_check;
ALTER TABLE subject_fact ADD CONSTRAINT subject_fact_kind_check
    CHECK (kind IN ('unblinded', 'randomized-in-error', 'ineligible', 'wrong-stratum', 'duplicate', 'withdrawn', 'corrected', 'taken-back'));
ALTER TABLE subject_fact ADD CONSTRAINT subject_fact_takes_back_check CHECK ((kind = 'taken-back') = (takes_back IS NOT NULL));

CREATE UNIQUE INDEX subject_fact_takes_back ON subject_fact (study_id, takes_back) WHERE takes_back IS NOT NULL;
