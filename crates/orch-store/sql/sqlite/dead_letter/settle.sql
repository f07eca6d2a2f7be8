-- Takes a settled dead letter out of the open ones. ?1 tenant, ?2 job.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
UPDATE dead_letter
SET settled = 1
WHERE tenant = ?1 AND job = ?2
