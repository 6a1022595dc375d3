-- Sessions that can open what was kept with a password. A twin of migrations/sqlite/0015_draft_key.sql.

ALTER TABLE session ADD COLUMN draft_key BYTEA;
COMMENT ON COLUMN session.draft_key IS 'Key of the answers kept and not sent, sealed by the secret in the cookie; none for people with an account.';
