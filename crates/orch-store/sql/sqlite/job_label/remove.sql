-- Removes the labels of a finished job. ?1 tenant, ?2 job.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
DELETE FROM job_label
WHERE tenant = ?1 AND job = ?2
