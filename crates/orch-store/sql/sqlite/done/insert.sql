-- The end of a job. ?1 job, ?2 tenant, ?3 lane, ?4 state, ?5 at, ?6 seq, ?7 attempt, ?8 epoch, ?9 report, ?10 output.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO done (job, tenant, lane, state, at, seq, attempt, epoch, report, output)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
