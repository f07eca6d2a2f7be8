-- Removes log lines of a finished job. ?1 tenant, ?2 job, ?3 only from before this, ?4 rows at most.
-- Differs from PostgreSQL: one job a call, in the writer's transaction, which holds the file's write lock.
DELETE FROM log_chunk
WHERE rowid IN (SELECT rowid FROM log_chunk WHERE tenant = ?1 AND job = ?2 AND at < ?3 LIMIT ?4)
