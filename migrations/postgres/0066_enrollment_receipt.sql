-- Whoever enrolls themself gets a receipt number. A twin of migrations/sqlite/0066_enrollment_receipt.sql.

ALTER TABLE participant ADD COLUMN receipt TEXT;
COMMENT ON COLUMN participant.receipt IS 'Receipt number of the form by which they enrolled themself; none before.';
