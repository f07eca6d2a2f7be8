-- A dead letter. ?1 tenant, ?2 job, ?3 lane, ?4 at, ?5 cause, ?6 error, ?7 attempts.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO dead_letter (tenant, job, lane, at, cause, error, attempts)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
