-- Credentials that are good for some days after their letter has left. A twin of migrations/sqlite/0025_from_sending.sql.

CREATE TABLE credential_wait (
    credential_id BYTEA PRIMARY KEY REFERENCES credential (id),
    message_id TEXT NOT NULL UNIQUE,
    days BIGINT NOT NULL
);
COMMENT ON TABLE credential_wait IS 'A credential whose time begins when a mail server takes its letter; gone once it has begun.';
COMMENT ON COLUMN credential_wait.credential_id IS 'Credential.';
COMMENT ON COLUMN credential_wait.message_id IS 'Message-ID of the letter.';
COMMENT ON COLUMN credential_wait.days IS 'How long it is good from then on, in days of 24 hours.';
