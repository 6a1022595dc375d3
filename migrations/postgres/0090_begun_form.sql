-- Forms that the staff began and have not sent yet. A twin of migrations/sqlite/0090_begun_form.sql.

CREATE TABLE begun_form (
    study_id BIGINT NOT NULL REFERENCES study (id),
    account_id BYTEA NOT NULL REFERENCES account (id),
    place TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    kept_at BIGINT NOT NULL,
    PRIMARY KEY (study_id, account_id, place)
);
COMMENT ON TABLE begun_form IS 'What somebody of the staff typed in a form and kept, to go on another time.';
COMMENT ON COLUMN begun_form.study_id IS 'Study.';
COMMENT ON COLUMN begun_form.account_id IS 'Whose: nobody else is shown it.';
COMMENT ON COLUMN begun_form.place IS 'Address of the form below that of the study''s cases.';
COMMENT ON COLUMN begun_form.sealed IS 'What was typed, sealed by the installation''s keys.';
COMMENT ON COLUMN begun_form.kept_at IS 'When, in microseconds since 1970.';
