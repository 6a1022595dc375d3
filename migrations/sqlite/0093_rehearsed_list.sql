-- Places of imported lists that rehearsals showed. A twin of migrations/postgres/0093_rehearsed_list.sql.

CREATE TABLE rehearsed_list ( -- Places of imported lists of arms that a rehearsal used, so that everybody in it saw their arms; kept when it is purged.
    slug TEXT NOT NULL, -- Slug of the study.
    randomization TEXT NOT NULL, -- Which of the study's allocations.
    stratum TEXT NOT NULL, -- JSON, levels in the order of the strata's ids.
    places INTEGER NOT NULL, -- How many of its places were used, from the first on.
    compared INTEGER NOT NULL, -- How many of its places the digest is of, from the first on.
    digest BLOB NOT NULL CHECK (length(digest) = 32), -- SHA-256 of the ids of the strata and the arms of these.
    PRIMARY KEY (slug, randomization, stratum, compared, digest, places)
) STRICT, WITHOUT ROWID;
