-- Who wants no more invitations and reminders. A twin of migrations/sqlite/0085_opt_out.sql.

CREATE TABLE opt_out (
    participant_id BIGINT PRIMARY KEY REFERENCES participant (id),
    study_id BIGINT NOT NULL REFERENCES study (id),
    day TEXT NOT NULL,
    way TEXT NOT NULL CHECK (way IN ('one-click', 'page'))
);
COMMENT ON TABLE opt_out IS 'Participants who want no more invitations and reminders of their study.';
COMMENT ON COLUMN opt_out.participant_id IS 'Who.';
COMMENT ON COLUMN opt_out.study_id IS 'Study.';
COMMENT ON COLUMN opt_out.day IS 'Day in the study''s zone on which they said so; no moment, which could be held against that of an answer.';
COMMENT ON COLUMN opt_out.way IS 'How: by the button of their mail program, or on the page that the letter leads to.';

CREATE INDEX opt_out_study ON opt_out (study_id);

CREATE TABLE opt_out_address (
    code TEXT PRIMARY KEY,
    day TEXT NOT NULL
);
COMMENT ON TABLE opt_out_address IS 'Addresses at which no study of the installation is to invite or remind anybody, whoever is taken in with one later.';
COMMENT ON COLUMN opt_out_address.code IS 'Code of the address by the installation''s key of addresses.';
COMMENT ON COLUMN opt_out_address.day IS 'Day on which it was said, in the zone of the study whose letter led there.';
