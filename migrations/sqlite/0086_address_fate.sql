-- Whether letters to addresses arrive, and letters that were sent once more. A twin of migrations/postgres/0086_address_fate.sql.

CREATE TABLE address_fate ( -- What came back of letters to an address. It tells of no study, no person and no letter.
    code TEXT PRIMARY KEY NOT NULL, -- Code of the address by the installation's key; the address itself does not stand here.
    score INTEGER NOT NULL, -- How often letters failed, in tenths: a failure for good counts 10.
    bounced_on TEXT, -- Day of the last failure that counted (UTC), such as 2026-11-20; none where only an absence is known.
    status TEXT NOT NULL, -- Status of the last failure (RFC 3463), such as 5.1.1; empty before one.
    stopped_at INTEGER, -- Since when invitations and reminders pass it over, in microseconds since 1970; none while they go out.
    away_until TEXT -- Last day of an absence that an automatic answer told; none where none is known.
) STRICT;

CREATE INDEX address_fate_stopped ON address_fate (code) WHERE stopped_at IS NOT NULL;

ALTER TABLE outbox ADD COLUMN resends INTEGER /* The letter that this one repeats, where a person had it sent once more. */;

CREATE INDEX outbox_subject ON outbox (subject_id, id) WHERE subject_id IS NOT NULL;
