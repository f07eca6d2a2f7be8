-- Removes artifacts (not their bytes) of finished jobs. $1 tenant, $2 jobs, $3 only from before this.
-- At most 5,000 rows: if so many go there may be more. What is newer belongs to a new job of the same id.
-- Locks: the rows that go, which nobody else touches; `lock_timeout` ends the statement if somebody does.
-- Index: artifact_job, once a job. LIMIT forbids every other road (see job/window.sql).
DELETE FROM artifact
WHERE ctid = ANY (ARRAY(
    SELECT t.place
    FROM unnest($2::uuid[]) AS w (job)
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM artifact WHERE tenant = $1 AND job = w.job AND at < $3 LIMIT 5000
    ) AS t
    LIMIT 5000
))
