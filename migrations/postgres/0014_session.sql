-- Sessions on pages, and failed tries to begin one. A twin of migrations/sqlite/0014_session.sql.

CREATE TABLE session (
    digest BYTEA PRIMARY KEY CHECK (length(digest) = 32),
    study_id BIGINT NOT NULL REFERENCES study (id),
    credential_id BYTEA REFERENCES credential (id),
    idle_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
COMMENT ON TABLE session IS 'Somebody signed in on pages; only the digest of the cookie''s secret is kept.';
COMMENT ON COLUMN session.digest IS 'SHA-256 of the secret in the cookie.';
COMMENT ON COLUMN session.study_id IS 'Study.';
COMMENT ON COLUMN session.credential_id IS 'Credential it was begun with; none for people with an account.';
COMMENT ON COLUMN session.idle_at IS 'When it ends if nothing is asked for until then.';
COMMENT ON COLUMN session.ends_at IS 'When it ends in any case.';

CREATE INDEX session_ends ON session (ends_at);
CREATE INDEX session_credential ON session (credential_id) WHERE credential_id IS NOT NULL;

CREATE TABLE sign_in_failure (
    subject_digest BYTEA PRIMARY KEY CHECK (length(subject_digest) = 32),
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    until BIGINT NOT NULL
);
COMMENT ON TABLE sign_in_failure IS 'Failed tries to sign in, so that nobody can go on guessing.';
COMMENT ON COLUMN sign_in_failure.subject_digest IS 'SHA-256 of what is protected: a login of a study, or where tries come from.';
COMMENT ON COLUMN sign_in_failure.failures IS 'Tries that failed since the last quiet time.';
COMMENT ON COLUMN sign_in_failure.last_at IS 'The last of them.';
COMMENT ON COLUMN sign_in_failure.until IS 'Nothing is tried before.';

CREATE INDEX sign_in_failure_last ON sign_in_failure (last_at);
