-- The ends of a tenant's jobs. $1 tenant, $2 jobs. Index: the primary key, once a job.
-- LIMIT 1 forbids every join but one probe a job (see job/window.sql).
SELECT d.job, d.tenant, d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output
FROM unnest($2::uuid[]) AS w (job)
CROSS JOIN LATERAL (SELECT * FROM done WHERE tenant = $1 AND job = w.job LIMIT 1) AS d
