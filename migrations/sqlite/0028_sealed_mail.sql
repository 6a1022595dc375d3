-- Mails and letters sealed by a key outside the database, and which keys a study needs. A twin of migrations/postgres/0028_sealed_mail.sql.

ALTER TABLE inbox_raw ADD COLUMN seal INTEGER NOT NULL DEFAULT 0 /* How the bytes stand here: 0 as they came, 1 sealed by a key of the key file. */;
ALTER TABLE outbox_raw ADD COLUMN seal INTEGER NOT NULL DEFAULT 0 /* How the bytes stand here: 0 as they leave, 1 sealed by a key of the key file. */;

CREATE TABLE study_key ( -- Names of the keys with which something of a study was sealed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    name TEXT NOT NULL, -- Name of the key, a digest that tells nothing of it; written before anything is sealed with the key.
    PRIMARY KEY (study_id, name)
) STRICT, WITHOUT ROWID;
