-- Removes artifacts (not their bytes) of a finished job.
-- ?1 tenant, ?2 job, ?3 only from before this, ?4 rows at most. Index: artifact_job.
-- Differs from PostgreSQL: one job a call, in the writer's transaction, which holds the file's write lock.
DELETE FROM artifact
WHERE (tenant, sha256, job, attempt) IN (
    SELECT tenant, sha256, job, attempt
    FROM artifact INDEXED BY artifact_job
    WHERE tenant = ?1 AND job = ?2 AND at < ?3
    LIMIT ?4
)
