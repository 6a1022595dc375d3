-- Sessions that can open what was kept with a password. A twin of migrations/postgres/0015_draft_key.sql.

ALTER TABLE session ADD COLUMN draft_key BLOB /* Key of the answers kept and not sent, sealed by the secret in the cookie; none for people with an account. */;
