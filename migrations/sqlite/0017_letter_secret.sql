-- Secrets in letters, which are kept only until the letter has left. A twin of migrations/postgres/0017_letter_secret.sql.

ALTER TABLE outbox ADD COLUMN secret INTEGER NOT NULL DEFAULT 0 /* Whether it lets somebody in: 0 no, 1 it does, 2 it did and its secret was taken out. */;
ALTER TABLE outbox_raw ADD COLUMN masked BLOB /* The same mail with its secret masked, which takes its place once it has left; none where there is no secret. */;

-- What left before has no masked twin: nothing is kept of it. What waits still leaves whole.
UPDATE outbox SET secret = 2 WHERE kind = 'invitation' AND state NOT IN ('waiting', 'held');
UPDATE outbox SET secret = 1 WHERE kind = 'invitation' AND state IN ('waiting', 'held');
UPDATE outbox_raw SET raw = X'' WHERE outbox_id IN (SELECT id FROM outbox WHERE secret = 2);
UPDATE outbox_raw SET masked = X'' WHERE outbox_id IN (SELECT id FROM outbox WHERE secret = 1);
