-- One installation has no name for two studies. A twin of migrations/sqlite/0077_study_name.sql.

CREATE TABLE study_name (
    name TEXT NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL,
    was_tag BIGINT NOT NULL
);
COMMENT ON TABLE study_name IS 'The names by which mails find a study: its slug, its tag, and the tags it had. None is that of two studies.';
COMMENT ON COLUMN study_name.name IS 'Folded, as mails'' words are before they are compared.';
COMMENT ON COLUMN study_name.slug IS 'Slug of the study, which its rehearsal and it in production have in common.';
COMMENT ON COLUMN study_name.was_tag IS '1 if it was the tag in production before.';

INSERT INTO study_name (name, slug, was_tag)
SELECT word, min(slug), 0 FROM study_word JOIN study ON study.id = study_word.study_id WHERE word NOT LIKE '%@%' GROUP BY word;

CREATE INDEX study_name_slug ON study_name (slug);
