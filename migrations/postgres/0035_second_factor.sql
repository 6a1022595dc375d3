-- Second factors of accounts, and when the owner of a session last showed who they are. A twin of migrations/sqlite/0035_second_factor.sql.

CREATE TABLE account_second (
    account_id BYTEA PRIMARY KEY REFERENCES account (id),
    state TEXT NOT NULL CHECK (state IN ('pending', 'active')),
    secret BYTEA NOT NULL,
    step BIGINT NOT NULL,
    since BIGINT NOT NULL
);
COMMENT ON TABLE account_second IS 'Authenticators whose codes are asked for after the password (RFC 6238), at most one an account.';
COMMENT ON COLUMN account_second.account_id IS 'Whose.';
COMMENT ON COLUMN account_second.state IS 'Pending until a code of it was typed once: then it is asked for.';
COMMENT ON COLUMN account_second.secret IS 'What the authenticator shares with us, sealed by a key of the key file.';
COMMENT ON COLUMN account_second.step IS 'Step of time of the last code that was taken; none is taken twice.';
COMMENT ON COLUMN account_second.since IS 'When it came to its state.';

CREATE TABLE account_recovery (
    digest BYTEA PRIMARY KEY CHECK (length(digest) = 32),
    account_id BYTEA NOT NULL REFERENCES account (id)
);
COMMENT ON TABLE account_recovery IS 'Recovery codes that stand in for an authenticator, each once; only digests are kept.';
COMMENT ON COLUMN account_recovery.digest IS 'SHA-256 of the code.';
COMMENT ON COLUMN account_recovery.account_id IS 'Whose.';

CREATE INDEX account_recovery_account ON account_recovery (account_id);

ALTER TABLE account_session ADD COLUMN waiting BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN account_session.waiting IS '1 while the second factor is waited for: it lets nobody in; else 0.';
ALTER TABLE account_session ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN account_session.proved_at IS 'When its owner last showed by password or second factor who they are.';
ALTER TABLE account_session ADD COLUMN second_at BIGINT;
COMMENT ON COLUMN account_session.second_at IS 'When its owner last gave the second factor; none if never.';
