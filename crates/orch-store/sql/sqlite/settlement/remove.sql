-- Removes the settlement of a finished job. ?1 tenant, ?2 job.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
DELETE FROM settlement
WHERE tenant = ?1 AND job = ?2
