-- The last checkpoints of a tenant's jobs. $1 tenant, $2 jobs. Index: the primary key, once a job.
-- LIMIT 1 forbids every join but one probe a job (see job/window.sql).
SELECT c.job, c.tenant, c.attempt, c.at, c.data
FROM unnest($2::uuid[]) AS w (job)
CROSS JOIN LATERAL (SELECT * FROM checkpoint WHERE tenant = $1 AND job = w.job LIMIT 1) AS c
