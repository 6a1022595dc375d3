-- Places of imported lists that rehearsals showed. A twin of migrations/sqlite/0093_rehearsed_list.sql.

CREATE TABLE rehearsed_list (
    slug TEXT NOT NULL,
    randomization TEXT NOT NULL,
    stratum TEXT NOT NULL,
    places BIGINT NOT NULL,
    compared BIGINT NOT NULL,
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (slug, randomization, stratum, compared, digest, places)
);
COMMENT ON TABLE rehearsed_list IS 'Places of imported lists of arms that a rehearsal used, so that everybody in it saw their arms; kept when it is purged.';
COMMENT ON COLUMN rehearsed_list.slug IS 'Slug of the study.';
COMMENT ON COLUMN rehearsed_list.randomization IS 'Which of the study''s allocations.';
COMMENT ON COLUMN rehearsed_list.stratum IS 'JSON, levels in the order of the strata''s ids.';
COMMENT ON COLUMN rehearsed_list.places IS 'How many of its places were used, from the first on.';
COMMENT ON COLUMN rehearsed_list.compared IS 'How many of its places the digest is of, from the first on.';
COMMENT ON COLUMN rehearsed_list.digest IS 'SHA-256 of the ids of the strata and the arms of these.';
