-- A page that comes once more is found by its mark alone, when the session it came in has ended. A twin of migrations/postgres/0079_submission.sql.

CREATE INDEX answered_by_submission ON answered (submission);
