-- What leaves first, mailings that take turns, and bounds on how fast they leave. A twin of migrations/postgres/0091_throttle.sql.

UPDATE outbox SET priority = 0 WHERE state IN ('waiting', 'held', 'failed') AND kind IN ('unblind-open', 'assignment-failed-alert');
UPDATE outbox SET priority = 1 WHERE state IN ('waiting', 'held', 'failed')
    AND (kind = 'account-link' OR (inbox_id IS NOT NULL AND kind IN ('invitation', 'access-over')));
UPDATE outbox SET priority = 3 WHERE state IN ('waiting', 'held', 'failed') AND inbox_id IS NULL
    AND kind IN ('invitation', 'reminder', 'unanswered', 'follow-up-due', 'weekly-report', 'weekly-report-unblinded', 'digest', 'digest-unblinded');

DROP INDEX outbox_waiting;
CREATE INDEX outbox_waiting ON outbox (mailbox, priority, next_attempt_at, id) WHERE state = 'waiting' AND priority < 3;
CREATE INDEX outbox_mass ON outbox (mailbox, COALESCE(study_id, 0), next_attempt_at, id) WHERE state = 'waiting' AND priority >= 3;

CREATE TABLE throttle ( -- How much of what may leave in a minute was used. Where nothing is bounded, there is no row.
    mailbox TEXT NOT NULL, -- Mailbox that letters leave from.
    domain TEXT NOT NULL, -- Domain that they go to; empty for all of them together.
    spent_until INTEGER NOT NULL, -- Until when what left is paid for, in microseconds since 1970: at an even pace the next letter would leave then.
    PRIMARY KEY (mailbox, domain)
) STRICT;
