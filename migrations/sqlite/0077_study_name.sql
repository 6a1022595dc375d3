-- One installation has no name for two studies. A twin of migrations/postgres/0077_study_name.sql.

CREATE TABLE study_name ( -- The names by which mails find a study: its slug, its tag, and the tags it had. None is that of two studies.
    name TEXT NOT NULL PRIMARY KEY, -- Folded, as mails' words are before they are compared.
    slug TEXT NOT NULL, -- Slug of the study, which its rehearsal and it in production have in common.
    was_tag INTEGER NOT NULL -- 1 if it was the tag in production before.
) STRICT, WITHOUT ROWID;

INSERT INTO study_name (name, slug, was_tag)
SELECT word, min(slug), 0 FROM study_word JOIN study ON study.id = study_word.study_id WHERE word NOT LIKE '%@%' GROUP BY word;

CREATE INDEX study_name_slug ON study_name (slug);
