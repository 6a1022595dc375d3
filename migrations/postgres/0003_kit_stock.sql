-- Where each kit lies, until when it is good, and what became of it. A twin of migrations/sqlite/0003_kit_stock.sql.

ALTER TABLE kit
    ADD COLUMN lot TEXT NOT NULL DEFAULT '',
    ADD COLUMN expires_on BIGINT NOT NULL DEFAULT 99991231,
    ADD COLUMN state TEXT NOT NULL DEFAULT 'available' CHECK (state IN ('available', 'dispensed', 'replaced', 'quarantined', 'damaged', 'lost', 'returned', 'withdrawn')),
    ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;
COMMENT ON TABLE kit IS 'Kits of blinded studies, in the order they are listed.';
COMMENT ON COLUMN kit.lot IS 'Lot it was made in; empty if none was listed.';
COMMENT ON COLUMN kit.expires_on IS 'Last day it may be given, year * 10000 + month * 100 + day; 99991231 if none was listed.';
COMMENT ON COLUMN kit.state IS 'What became of it.';
COMMENT ON COLUMN kit.turn IS 'Which kit of its allocation it is, counted from 1; 0 if it was never handed out.';

UPDATE kit SET state = 'dispensed', turn = 1 WHERE allocation_number IS NOT NULL;

DROP INDEX kit_left;
CREATE INDEX kit_left ON kit (study_id, arm, site, expires_on, position) WHERE state = 'available';
CREATE INDEX kit_allocation ON kit (study_id, allocation_number) WHERE allocation_number IS NOT NULL;
CREATE INDEX kit_site ON kit (study_id, site, position);

CREATE TABLE kit_list (
    study_id BIGINT NOT NULL REFERENCES study (id),
    number BIGINT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (study_id, number)
);
COMMENT ON TABLE kit_list IS 'Lists of kits that were added to a study in force; never changed.';
COMMENT ON COLUMN kit_list.study_id IS 'Study.';
COMMENT ON COLUMN kit_list.number IS 'Counted from 1 in the study.';
COMMENT ON COLUMN kit_list.content IS 'The file as it was given; its SHA-256 stands in the audit chain.';

CREATE TABLE kit_shortage (
    study_id BIGINT NOT NULL REFERENCES study (id),
    site TEXT NOT NULL,
    arm TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (study_id, site, arm)
);
COMMENT ON TABLE kit_shortage IS 'Shortages of kits that were told and still last.';
COMMENT ON COLUMN kit_shortage.study_id IS 'Study.';
COMMENT ON COLUMN kit_shortage.site IS 'Where; empty for the central stock.';
COMMENT ON COLUMN kit_shortage.arm IS 'Code of the arm; empty for what blinded staff were told.';
COMMENT ON COLUMN kit_shortage.told_at IS 'When it was told.';
