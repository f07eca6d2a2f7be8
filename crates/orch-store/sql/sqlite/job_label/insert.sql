-- A label of a new job. ?1 tenant, ?2 job, ?3 key, ?4 value.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO job_label (tenant, job, key, value)
VALUES (?1, ?2, ?3, ?4)
