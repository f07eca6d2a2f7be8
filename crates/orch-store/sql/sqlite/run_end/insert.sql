-- The end of a run. ?1 tenant, ?2 id, ?3 seq, ?4 at, ?5 outcome, ?6 course.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO run_end (tenant, id, seq, at, outcome, course)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
