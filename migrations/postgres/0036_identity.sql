-- Who an identity provider says somebody is. A twin of migrations/sqlite/0036_identity.sql.

CREATE TABLE account_identity (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id BYTEA NOT NULL REFERENCES account (id),
    PRIMARY KEY (issuer, subject)
);
COMMENT ON TABLE account_identity IS 'Identities at providers (OpenID Connect) that sign in to an account.';
COMMENT ON COLUMN account_identity.issuer IS 'The provider, as its discovery document names itself.';
COMMENT ON COLUMN account_identity.subject IS 'What it calls the person: never given to another one (OpenID Connect Core 1.0 section 2).';
COMMENT ON COLUMN account_identity.account_id IS 'Whose account.';

-- So that an address that a provider gave to somebody else does not open the account of the one before.
CREATE UNIQUE INDEX account_identity_account ON account_identity (account_id, issuer);

CREATE TABLE account_act (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id BYTEA NOT NULL REFERENCES account (id),
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    reason TEXT NOT NULL
);
COMMENT ON TABLE account_act IS 'What was done about how somebody signs in; nothing of what they did once they were in.';
COMMENT ON COLUMN account_act.id IS 'In the order of doing.';
COMMENT ON COLUMN account_act.account_id IS 'Whose account.';
COMMENT ON COLUMN account_act.at IS 'When.';
COMMENT ON COLUMN account_act.actor IS 'Who: owner, or operator and a name.';
COMMENT ON COLUMN account_act.act IS 'What.';
COMMENT ON COLUMN account_act.reason IS 'Why, of an operator; else empty.';

CREATE INDEX account_act_account ON account_act (account_id);
