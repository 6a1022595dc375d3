-- Several allocations of one subject: one of each kind that a study has. A twin of migrations/postgres/0007_randomization.sql.

CREATE TABLE allocation_of_kind ( -- Decisions; never changed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number INTEGER NOT NULL, -- Counted from 1 in the study; the draw is a function of it and the study's secret.
    subject_id INTEGER NOT NULL REFERENCES subject (id), -- Who was allocated.
    randomization TEXT NOT NULL, -- Which of the study's allocations: first, which comes with enrolling, or the id of a further one.
    arm TEXT NOT NULL, -- Code of the arm.
    slot INTEGER, -- Place in the stratum's sequence, where the method has one.
    block_size INTEGER, -- Size of the block the slot lies in, where there are blocks.
    levels TEXT NOT NULL, -- JSON, factor to level, as they were when the decision was made.
    kit TEXT, -- Code of the kit handed out.
    bundle_version INTEGER NOT NULL, -- Version of the rules.
    allocated_at INTEGER NOT NULL, -- When.
    record TEXT NOT NULL, -- JSON, how the decision came about.
    PRIMARY KEY (study_id, number),
    UNIQUE (subject_id, randomization)
) STRICT;

INSERT INTO allocation_of_kind (study_id, number, subject_id, randomization, arm, slot, block_size, levels, kit, bundle_version,
    allocated_at, record)
SELECT study_id, number, subject_id, 'first', arm, slot, block_size, levels, kit, bundle_version, allocated_at, record FROM allocation;
DROP TABLE allocation;
ALTER TABLE allocation_of_kind RENAME TO allocation;

CREATE TABLE randomization ( -- Requests for further randomizations that were granted; never changed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    allocation_number INTEGER NOT NULL, -- The allocation that came of it.
    person TEXT NOT NULL, -- Id of the person who asked.
    answers TEXT NOT NULL, -- JSON, item to normalized value.
    typed TEXT NOT NULL, -- JSON, item to text as typed.
    inbox_id INTEGER, -- Mail that asked.
    audit_digest BLOB NOT NULL CHECK (length(audit_digest) = 32), -- Digest of the audit entry that recorded it.
    PRIMARY KEY (study_id, allocation_number)
) STRICT, WITHOUT ROWID;

ALTER TABLE subject_fact ADD COLUMN further TEXT /* JSON, id of a further randomization to its levels as they should have been, where it looked at one that was wrong. */;
