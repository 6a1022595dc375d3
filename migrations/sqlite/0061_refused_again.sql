-- The same answers sent again count as one refusal. A twin of migrations/postgres/0061_refused_again.sql.

ALTER TABLE participant ADD COLUMN refused_code BLOB CHECK (length(refused_code) = 32) /* Code of the answers by which they were refused last, so that the same sent again are known; none before. */;
