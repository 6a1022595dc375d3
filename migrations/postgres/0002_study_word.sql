-- How a mail finds its study among thousands. A twin of migrations/sqlite/0002_study_word.sql.

CREATE TABLE study_word (
    word TEXT NOT NULL,
    study_id BIGINT NOT NULL REFERENCES study (id),
    PRIMARY KEY (word, study_id)
);
COMMENT ON TABLE study_word IS 'The words that tell a mail''s study: its slug, its tag, and the addresses of its people.';
COMMENT ON COLUMN study_word.word IS 'Folded, as mails'' words are before they are compared.';
COMMENT ON COLUMN study_word.study_id IS 'Study.';

CREATE INDEX study_word_study ON study_word (study_id);
