-- What leaves first, mailings that take turns, and bounds on how fast they leave. A twin of migrations/sqlite/0091_throttle.sql.

UPDATE outbox SET priority = 0 WHERE state IN ('waiting', 'held', 'failed') AND kind IN ('unblind-open', 'assignment-failed-alert');
UPDATE outbox SET priority = 1 WHERE state IN ('waiting', 'held', 'failed')
    AND (kind = 'account-link' OR (inbox_id IS NOT NULL AND kind IN ('invitation', 'access-over')));
UPDATE outbox SET priority = 3 WHERE state IN ('waiting', 'held', 'failed') AND inbox_id IS NULL
    AND kind IN ('invitation', 'reminder', 'unanswered', 'follow-up-due', 'weekly-report', 'weekly-report-unblinded', 'digest', 'digest-unblinded');

DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (mailbox, priority, next_attempt_at, id) WHERE state = 'waiting' AND priority < 3;
CREATE INDEX outbox_mass ON outbox (mailbox, COALESCE(study_id, 0), next_attempt_at, id) WHERE state = 'waiting' AND priority >= 3;

CREATE TABLE throttle (
    mailbox TEXT NOT NULL,
    domain TEXT NOT NULL,
    spent_until BIGINT NOT NULL,
    PRIMARY KEY (mailbox, domain)
);
COMMENT ON TABLE throttle IS 'How much of what may leave in a minute was used. Where nothing is bounded, there is no row.';
COMMENT ON COLUMN throttle.mailbox IS 'Mailbox that letters leave from.';
COMMENT ON COLUMN throttle.domain IS 'Domain that they go to; empty for all of them together.';
COMMENT ON COLUMN throttle.spent_until IS 'Until when what left is paid for, in microseconds since 1970: at an even pace the next letter would leave then.';
