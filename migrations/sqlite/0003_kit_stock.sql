-- Where each kit lies, until when it is good, and what became of it. A twin of migrations/postgres/0003_kit_stock.sql.

CREATE TABLE kit_stock ( -- Kits of blinded studies, in the order they are listed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    position INTEGER NOT NULL, -- Order.
    code TEXT NOT NULL, -- What the site learns.
    arm TEXT NOT NULL, -- Code of the arm.
    site TEXT NOT NULL, -- Where it lies; empty for the central stock.
    allocation_number INTEGER, -- Allocation it was handed out for.
    lot TEXT NOT NULL DEFAULT '', -- Lot it was made in; empty if none was listed.
    expires_on INTEGER NOT NULL DEFAULT 99991231, -- Last day it may be given, year * 10000 + month * 100 + day; 99991231 if none was listed.
    state TEXT NOT NULL DEFAULT 'available' CHECK (state IN ('available', 'dispensed', 'replaced', 'quarantined', 'damaged', 'lost', 'returned', 'withdrawn')), -- What became of it.
    turn INTEGER NOT NULL DEFAULT 0, -- Which kit of its allocation it is, counted from 1; 0 if it was never handed out.
    PRIMARY KEY (study_id, position),
    UNIQUE (study_id, code)
) STRICT;

INSERT INTO kit_stock (study_id, position, code, arm, site, allocation_number, state, turn)
SELECT study_id, position, code, arm, site, allocation_number,
    CASE WHEN allocation_number IS NULL THEN 'available' ELSE 'dispensed' END,
    CASE WHEN allocation_number IS NULL THEN 0 ELSE 1 END
FROM kit;
DROP TABLE kit;
ALTER TABLE kit_stock RENAME TO kit;

CREATE INDEX kit_left ON kit (study_id, arm, site, expires_on, position) WHERE state = 'available';
CREATE INDEX kit_allocation ON kit (study_id, allocation_number) WHERE allocation_number IS NOT NULL;
CREATE INDEX kit_site ON kit (study_id, site, position);

CREATE TABLE kit_list ( -- Lists of kits that were added to a study in force; never changed.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    number INTEGER NOT NULL, -- Counted from 1 in the study.
    content TEXT NOT NULL, -- The file as it was given; its SHA-256 stands in the audit chain.
    PRIMARY KEY (study_id, number)
) STRICT;

CREATE TABLE kit_shortage ( -- Shortages of kits that were told and still last.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    site TEXT NOT NULL, -- Where; empty for the central stock.
    arm TEXT NOT NULL, -- Code of the arm; empty for what blinded staff were told.
    told_at INTEGER NOT NULL, -- When it was told.
    PRIMARY KEY (study_id, site, arm)
) STRICT;
