-- A fact that was recorded in error is taken back by another one. A twin of migrations/postgres/0084_fact_taken_back.sql.

CREATE TABLE fact_about_subject ( -- What became known of subjects after their enrollment, which stays as it was; never changed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number INTEGER NOT NULL, -- Counted from 1 in the study.
    subject_id INTEGER NOT NULL REFERENCES subject (id), -- Which subject it is about.
    kind TEXT NOT NULL CHECK (kind IN ('unblinded', 'randomized-in-error', 'ineligible', 'wrong-stratum', 'duplicate', 'withdrawn', 'corrected', 'taken-back')), -- What became known.
    person TEXT NOT NULL, -- Id of the person who learned the arm or told the fact; the operator's name where nobody of the study did.
    actor TEXT NOT NULL, -- Who had it recorded: the person, or the operator for them.
    reason TEXT NOT NULL, -- Why, in their words.
    changes TEXT NOT NULL, -- JSON, item to what would have been right; empty where nothing is corrected.
    levels TEXT, -- JSON, factor to level, as they should have been, where an allocation looked at one that was wrong.
    of_subject_id INTEGER REFERENCES subject (id), -- The subject enrolled before, of which it is a duplicate.
    after_allocation INTEGER NOT NULL, -- Number of the last allocation before; decisions from the next on know of it.
    recorded_at INTEGER NOT NULL, -- When.
    inbox_id INTEGER, -- Mail that asked for it.
    audit_digest BLOB NOT NULL CHECK (length(audit_digest) = 32), -- Digest of the audit entry that recorded it.
    further TEXT, -- JSON, id of a further randomization to its levels as they should have been, where it looked at one that was wrong.
    randomization TEXT, -- Which of the subject's allocations it is about; of the subject as a whole where none.
    takes_back INTEGER, -- Number of the fact that was recorded in error, where this one takes it back; that one counts no more from then on.
    PRIMARY KEY (study_id, number),
    CHECK ((kind = 'taken-back') = (takes_back IS NOT NULL))
) STRICT, WITHOUT ROWID;

INSERT INTO fact_about_subject (study_id, number, subject_id, kind, person, actor, reason, changes, levels, of_subject_id, after_allocation,
    recorded_at, inbox_id, audit_digest, further, randomization)
SELECT study_id, number, subject_id, kind, person, actor, reason, changes, levels, of_subject_id, after_allocation,
    recorded_at, inbox_id, audit_digest, further, randomization FROM subject_fact;
DROP TABLE subject_fact;
ALTER TABLE fact_about_subject RENAME TO subject_fact;

CREATE INDEX subject_fact_subject ON subject_fact (subject_id, number);
CREATE INDEX subject_fact_of ON subject_fact (of_subject_id) WHERE of_subject_id IS NOT NULL;
CREATE UNIQUE INDEX subject_fact_takes_back ON subject_fact (study_id, takes_back) WHERE takes_back IS NOT NULL;
