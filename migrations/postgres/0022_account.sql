-- Accounts of members and staff, by which they sign in on pages. A twin of migrations/sqlite/0022_account.sql.

CREATE TABLE account (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16),
    address TEXT NOT NULL UNIQUE,
    language TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('new', 'active', 'closed')),
    password TEXT,
    created_at BIGINT NOT NULL,
    chosen_at BIGINT
);
COMMENT ON TABLE account IS 'Persons who sign in with an address and a password of their own, in all studies of the installation.';
COMMENT ON COLUMN account.id IS 'Random, so that it tells no order.';
COMMENT ON COLUMN account.address IS 'Folded address that they sign in with.';
COMMENT ON COLUMN account.language IS 'Language of their pages; empty where it is not known.';
COMMENT ON COLUMN account.state IS 'Whether it lets anybody in.';
COMMENT ON COLUMN account.password IS 'Hash of the password as a PHC string (argon2id); none until one was chosen.';
COMMENT ON COLUMN account.created_at IS 'When it was made.';
COMMENT ON COLUMN account.chosen_at IS 'When the password was chosen last.';

CREATE TABLE account_link (
    digest BYTEA PRIMARY KEY CHECK (length(digest) = 32),
    account_id BYTEA NOT NULL REFERENCES account (id),
    expires_at BIGINT NOT NULL
);
COMMENT ON TABLE account_link IS 'Links by which a password is chosen once; only digests are kept.';
COMMENT ON COLUMN account_link.digest IS 'SHA-256 of the secret in the link.';
COMMENT ON COLUMN account_link.account_id IS 'Whose password.';
COMMENT ON COLUMN account_link.expires_at IS 'Not from then on.';

CREATE INDEX account_link_account ON account_link (account_id);

CREATE TABLE account_session (
    digest BYTEA PRIMARY KEY CHECK (length(digest) = 32),
    account_id BYTEA NOT NULL REFERENCES account (id),
    idle_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
COMMENT ON TABLE account_session IS 'Somebody signed in with an account; only the digest of the cookie''s secret is kept.';
COMMENT ON COLUMN account_session.digest IS 'SHA-256 of the secret in the cookie.';
COMMENT ON COLUMN account_session.account_id IS 'Whose.';
COMMENT ON COLUMN account_session.idle_at IS 'When it ends if nothing is asked for until then.';
COMMENT ON COLUMN account_session.ends_at IS 'When it ends in any case.';

CREATE INDEX account_session_account ON account_session (account_id);
CREATE INDEX account_session_ends ON account_session (ends_at);

ALTER TABLE participant ADD COLUMN account_id BYTEA REFERENCES account (id);
COMMENT ON COLUMN participant.account_id IS 'Account of a member; none for participants without one.';

-- Each member stands on a study's roll once, so that they count once.
CREATE UNIQUE INDEX participant_account ON participant (study_id, account_id) WHERE account_id IS NOT NULL;
CREATE INDEX participant_of_account ON participant (account_id) WHERE account_id IS NOT NULL;
