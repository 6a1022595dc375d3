-- Where allocations and subjects came from. A twin of migrations/sqlite/0008_origins.sql.

ALTER TABLE allocation ADD COLUMN origin TEXT NOT NULL DEFAULT 'drawn' CHECK (origin IN ('drawn', 'imported', 'forced'));
COMMENT ON COLUMN allocation.origin IS 'Whether it was drawn here, imported from another system, or given by hand.';
-- No text in a record can hold these characters: a quotation mark inside of one has a backslash before it.
UPDATE allocation SET origin = 'imported' WHERE record LIKE '%"imported":{%';
CREATE INDEX allocation_forced ON allocation (study_id) WHERE origin = 'forced';

ALTER TABLE subject ADD COLUMN rescreens_id BIGINT REFERENCES subject (id);
COMMENT ON COLUMN subject.rescreens_id IS 'The earlier subject that is screened again as this one.';
-- A subject is screened again as one other.
CREATE UNIQUE INDEX subject_rescreens ON subject (rescreens_id) WHERE rescreens_id IS NOT NULL;
