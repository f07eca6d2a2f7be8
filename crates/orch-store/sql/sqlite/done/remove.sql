-- Removes the end of a job that ended before a moment. ?1 tenant, ?2 job, ?3 before.
-- Returns (hour, lane, state, error class) for the roll-up; no row: nothing of the job is to go.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
DELETE FROM done
WHERE tenant = ?1 AND job = ?2 AND at < ?3
RETURNING
    at / 3600000,
    lane,
    state,
    CASE WHEN state = 5 THEN '' ELSE coalesce(CAST(output AS TEXT) ->> '$.error.class', '') END
