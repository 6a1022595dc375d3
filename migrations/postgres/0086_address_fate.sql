-- Whether letters to addresses arrive, and letters that were sent once more. A twin of migrations/sqlite/0086_address_fate.sql.

CREATE TABLE address_fate (
    code TEXT PRIMARY KEY,
    score BIGINT NOT NULL,
    bounced_on TEXT,
    status TEXT NOT NULL,
    stopped_at BIGINT,
    away_until TEXT
);
COMMENT ON TABLE address_fate IS 'What came back of letters to an address. It tells of no study, no person and no letter.';
COMMENT ON COLUMN address_fate.code IS 'Code of the address by the installation''s key; the address itself does not stand here.';
COMMENT ON COLUMN address_fate.score IS 'How often letters failed, in tenths: a failure for good counts 10.';
COMMENT ON COLUMN address_fate.bounced_on IS 'Day of the last failure that counted (UTC), such as 2026-11-20; none where only an absence is known.';
COMMENT ON COLUMN address_fate.status IS 'Status of the last failure (RFC 3463), such as 5.1.1; empty before one.';
COMMENT ON COLUMN address_fate.stopped_at IS 'Since when invitations and reminders pass it over, in microseconds since 1970; none while they go out.';
COMMENT ON COLUMN address_fate.away_until IS 'Last day of an absence that an automatic answer told; none where none is known.';

CREATE INDEX address_fate_stopped ON address_fate (code) WHERE stopped_at IS NOT NULL;

ALTER TABLE outbox ADD COLUMN resends BIGINT;
COMMENT ON COLUMN outbox.resends IS 'The letter that this one repeats, where a person had it sent once more.';

CREATE INDEX outbox_subject ON outbox (subject_id, id) WHERE subject_id IS NOT NULL;
