-- What the draws of a study are made from, sealed by a key outside the database. A twin of migrations/postgres/0062_sealed_secret.sql.

ALTER TABLE study ADD COLUMN sealed_secret BLOB /* What the draws are made from, sealed by a key of the key file, and zeros in clear_secret; none where it stands there in the clear. */;

-- An older program that still runs finds no column of the old name, draws nothing, and its mails wait: it would take the zeros for the secret.
ALTER TABLE study RENAME COLUMN secret TO clear_secret;
