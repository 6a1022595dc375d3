-- Credentials that are good for some days after their letter has left. A twin of migrations/postgres/0025_from_sending.sql.

CREATE TABLE credential_wait ( -- A credential whose time begins when a mail server takes its letter; gone once it has begun.
    credential_id BLOB PRIMARY KEY REFERENCES credential (id), -- Credential.
    message_id TEXT NOT NULL UNIQUE, -- Message-ID of the letter.
    days INTEGER NOT NULL -- How long it is good from then on, in days of 24 hours.
) STRICT, WITHOUT ROWID;
