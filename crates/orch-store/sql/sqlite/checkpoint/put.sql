-- Saved progress. ?1 tenant, ?2 job, ?3 attempt, ?4 at, ?5 data.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO checkpoint (tenant, job, attempt, at, data)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, job) DO UPDATE SET
    attempt = excluded.attempt,
    at = excluded.at,
    data = excluded.data
