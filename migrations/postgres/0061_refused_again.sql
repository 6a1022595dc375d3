-- The same answers sent again count as one refusal. A twin of migrations/sqlite/0061_refused_again.sql.

ALTER TABLE participant ADD COLUMN refused_code BYTEA CHECK (octet_length(refused_code) = 32);
COMMENT ON COLUMN participant.refused_code IS 'Code of the answers by which they were refused last, so that the same sent again are known; none before.';
