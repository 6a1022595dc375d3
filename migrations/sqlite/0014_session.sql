-- Sessions on pages, and failed tries to begin one. A twin of migrations/postgres/0014_session.sql.

CREATE TABLE session ( -- Somebody signed in on pages; only the digest of the cookie's secret is kept.
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32), -- SHA-256 of the secret in the cookie.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    credential_id BLOB REFERENCES credential (id), -- Credential it was begun with; none for people with an account.
    idle_at INTEGER NOT NULL, -- When it ends if nothing is asked for until then.
    ends_at INTEGER NOT NULL -- When it ends in any case.
) STRICT, WITHOUT ROWID;

CREATE INDEX session_ends ON session (ends_at);
CREATE INDEX session_credential ON session (credential_id) WHERE credential_id IS NOT NULL;

CREATE TABLE sign_in_failure ( -- Failed tries to sign in, so that nobody can go on guessing.
    subject_digest BLOB PRIMARY KEY CHECK (length(subject_digest) = 32), -- SHA-256 of what is protected: a login of a study, or where tries come from.
    failures INTEGER NOT NULL, -- Tries that failed since the last quiet time.
    last_at INTEGER NOT NULL, -- The last of them.
    until INTEGER NOT NULL -- Nothing is tried before.
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_in_failure_last ON sign_in_failure (last_at);
