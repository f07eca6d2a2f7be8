-- Log lines. ?1 tenant, ?2 job, ?3 attempt, ?4 place, ?5 at, ?6 lines.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO log_chunk (tenant, job, attempt, place, at, lines)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
