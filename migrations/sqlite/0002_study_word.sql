-- How a mail finds its study among thousands. A twin of migrations/postgres/0002_study_word.sql.

CREATE TABLE study_word ( -- The words that tell a mail's study: its slug, its tag, and the addresses of its people.
    word TEXT NOT NULL, -- Folded, as mails' words are before they are compared.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    PRIMARY KEY (word, study_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX study_word_study ON study_word (study_id);
