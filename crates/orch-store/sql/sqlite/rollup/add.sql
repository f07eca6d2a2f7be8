-- Counts ended jobs that are removed. ?1 tenant, ?2 hour, ?3 lane, ?4 state, ?5 error class, ?6 jobs.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO rollup (tenant, hour, lane, state, error_class, jobs)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (tenant, hour, lane, state, error_class) DO UPDATE SET jobs = jobs + excluded.jobs
