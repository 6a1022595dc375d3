-- One person must not fill a study's room for files that wait. A twin of migrations/postgres/0054_file_owner.sql.

ALTER TABLE file ADD COLUMN owner BLOB CHECK (length(owner) = 32) /* Keyed code of whose form it waits for; none once it is an answer. */;

CREATE INDEX file_owner ON file (owner) WHERE state = 'waiting';
