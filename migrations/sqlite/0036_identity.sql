-- Who an identity provider says somebody is. A twin of migrations/postgres/0036_identity.sql.

CREATE TABLE account_identity ( -- Identities at providers (OpenID Connect) that sign in to an account.
    issuer TEXT NOT NULL, -- The provider, as its discovery document names itself.
    subject TEXT NOT NULL, -- What it calls the person: never given to another one (OpenID Connect Core 1.0 section 2).
    account_id BLOB NOT NULL REFERENCES account (id), -- Whose account.
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

-- So that an address that a provider gave to somebody else does not open the account of the one before.
CREATE UNIQUE INDEX account_identity_account ON account_identity (account_id, issuer);

CREATE TABLE account_act ( -- What was done about how somebody signs in; nothing of what they did once they were in.
    id INTEGER PRIMARY KEY, -- In the order of doing.
    account_id BLOB NOT NULL REFERENCES account (id), -- Whose account.
    at INTEGER NOT NULL, -- When.
    actor TEXT NOT NULL, -- Who: owner, or operator and a name.
    act TEXT NOT NULL, -- What.
    reason TEXT NOT NULL -- Why, of an operator; else empty.
) STRICT;

CREATE INDEX account_act_account ON account_act (account_id);
