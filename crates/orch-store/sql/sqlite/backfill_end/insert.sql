-- The end of a backfill. ?1 tenant, ?2 id, ?3 at, ?4 outcome, ?5 course.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO backfill_end (tenant, id, at, outcome, course)
VALUES (?1, ?2, ?3, ?4, ?5)
