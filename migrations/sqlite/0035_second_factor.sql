-- Second factors of accounts, and when the owner of a session last showed who they are. A twin of migrations/postgres/0035_second_factor.sql.

CREATE TABLE account_second ( -- Authenticators whose codes are asked for after the password (RFC 6238), at most one an account.
    account_id BLOB PRIMARY KEY REFERENCES account (id), -- Whose.
    state TEXT NOT NULL CHECK (state IN ('pending', 'active')), -- Pending until a code of it was typed once: then it is asked for.
    secret BLOB NOT NULL, -- What the authenticator shares with us, sealed by a key of the key file.
    step INTEGER NOT NULL, -- Step of time of the last code that was taken; none is taken twice.
    since INTEGER NOT NULL -- When it came to its state.
) STRICT, WITHOUT ROWID;

CREATE TABLE account_recovery ( -- Recovery codes that stand in for an authenticator, each once; only digests are kept.
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32), -- SHA-256 of the code.
    account_id BLOB NOT NULL REFERENCES account (id) -- Whose.
) STRICT, WITHOUT ROWID;

CREATE INDEX account_recovery_account ON account_recovery (account_id);

ALTER TABLE account_session ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0 /* 1 while the second factor is waited for: it lets nobody in; else 0. */;
ALTER TABLE account_session ADD COLUMN proved_at INTEGER NOT NULL DEFAULT 0 /* When its owner last showed by password or second factor who they are. */;
ALTER TABLE account_session ADD COLUMN second_at INTEGER /* When its owner last gave the second factor; none if never. */;
