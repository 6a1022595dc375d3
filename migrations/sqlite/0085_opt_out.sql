-- Who wants no more invitations and reminders. A twin of migrations/postgres/0085_opt_out.sql.

CREATE TABLE opt_out ( -- Participants who want no more invitations and reminders of their study.
    participant_id INTEGER PRIMARY KEY REFERENCES participant (id), -- Who.
    study_id INTEGER NOT NULL REFERENCES study (id), -- Study.
    day TEXT NOT NULL, -- Day in the study's zone on which they said so; no moment, which could be held against that of an answer.
    way TEXT NOT NULL CHECK (way IN ('one-click', 'page')) -- How: by the button of their mail program, or on the page that the letter leads to.
) STRICT;

CREATE INDEX opt_out_study ON opt_out (study_id);

CREATE TABLE opt_out_address ( -- Addresses at which no study of the installation is to invite or remind anybody, whoever is taken in with one later.
    code TEXT PRIMARY KEY, -- Code of the address by the installation's key of addresses.
    day TEXT NOT NULL -- Day on which it was said, in the zone of the study whose letter led there.
) STRICT;
