-- The order in which kits leave: keyed by the study's secret, so that nobody foresees it from the list. A twin of migrations/postgres/0037_kit_rank.sql.

ALTER TABLE kit ADD COLUMN rank INTEGER /* Order in which the kits of an arm and an expiry leave, a keyed digest of the code; none until this version opened the database. */;

CREATE INDEX kit_unranked ON kit (study_id, position) WHERE rank IS NULL;

DROP INDEX kit_left;
CREATE INDEX kit_left ON kit (study_id, arm, site, expires_on, rank, position) WHERE state = 'available';
