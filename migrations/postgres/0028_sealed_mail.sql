-- Mails and letters sealed by a key outside the database, and which keys a study needs. A twin of migrations/sqlite/0028_sealed_mail.sql.

ALTER TABLE inbox_raw ADD COLUMN seal BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN inbox_raw.seal IS 'How the bytes stand here: 0 as they came, 1 sealed by a key of the key file.';
ALTER TABLE outbox_raw ADD COLUMN seal BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN outbox_raw.seal IS 'How the bytes stand here: 0 as they leave, 1 sealed by a key of the key file.';

CREATE TABLE study_key (
    study_id BIGINT NOT NULL REFERENCES study (id),
    name TEXT NOT NULL,
    PRIMARY KEY (study_id, name)
);
COMMENT ON TABLE study_key IS 'Names of the keys with which something of a study was sealed.';
COMMENT ON COLUMN study_key.study_id IS 'Study.';
COMMENT ON COLUMN study_key.name IS 'Name of the key, a digest that tells nothing of it; written before anything is sealed with the key.';
