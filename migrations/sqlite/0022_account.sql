-- Accounts of members and staff, by which they sign in on pages. A twin of migrations/postgres/0022_account.sql.

CREATE TABLE account ( -- Persons who sign in with an address and a password of their own, in all studies of the installation.
    id BLOB PRIMARY KEY CHECK (length(id) = 16), -- Random, so that it tells no order.
    address TEXT NOT NULL UNIQUE, -- Folded address that they sign in with.
    language TEXT NOT NULL, -- Language of their pages; empty where it is not known.
    state TEXT NOT NULL CHECK (state IN ('new', 'active', 'closed')), -- Whether it lets anybody in.
    password TEXT, -- Hash of the password as a PHC string (argon2id); none until one was chosen.
    created_at INTEGER NOT NULL, -- When it was made.
    chosen_at INTEGER -- When the password was chosen last.
) STRICT, WITHOUT ROWID;

CREATE TABLE account_link ( -- Links by which a password is chosen once; only digests are kept.
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32), -- SHA-256 of the secret in the link.
    account_id BLOB NOT NULL REFERENCES account (id), -- Whose password.
    expires_at INTEGER NOT NULL -- Not from then on.
) STRICT, WITHOUT ROWID;

CREATE INDEX account_link_account ON account_link (account_id);

CREATE TABLE account_session ( -- Somebody signed in with an account; only the digest of the cookie's secret is kept.
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32), -- SHA-256 of the secret in the cookie.
    account_id BLOB NOT NULL REFERENCES account (id), -- Whose.
    idle_at INTEGER NOT NULL, -- When it ends if nothing is asked for until then.
    ends_at INTEGER NOT NULL -- When it ends in any case.
) STRICT, WITHOUT ROWID;

CREATE INDEX account_session_account ON account_session (account_id);
CREATE INDEX account_session_ends ON account_session (ends_at);

ALTER TABLE participant ADD COLUMN account_id BLOB REFERENCES account (id) /* Account of a member; none for participants without one. */;

-- Each member stands on a study's roll once, so that they count once.
CREATE UNIQUE INDEX participant_account ON participant (study_id, account_id) WHERE account_id IS NOT NULL;
CREATE INDEX participant_of_account ON participant (account_id) WHERE account_id IS NOT NULL;
