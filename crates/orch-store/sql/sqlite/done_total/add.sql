-- Counts ended jobs. ?1 tenant, ?2 lane, ?3 state, ?4 jobs.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO done_total (tenant, lane, state, jobs)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (tenant, lane, state) DO UPDATE SET jobs = jobs + excluded.jobs
