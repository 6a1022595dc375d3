-- What became known of one of a subject's allocations alone. A twin of migrations/postgres/0026_fact_of_allocation.sql.

ALTER TABLE subject_fact ADD COLUMN randomization TEXT /* Which of the subject's allocations it is about; of the subject as a whole where none. */;
