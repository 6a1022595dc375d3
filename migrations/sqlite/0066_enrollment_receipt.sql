-- Whoever enrolls themself gets a receipt number. A twin of migrations/postgres/0066_enrollment_receipt.sql.

ALTER TABLE participant ADD COLUMN receipt TEXT /* Receipt number of the form by which they enrolled themself; none before. */;
