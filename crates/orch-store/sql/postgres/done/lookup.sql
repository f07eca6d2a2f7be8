-- The ends of a tenant's jobs. $1 tenant, $2 jobs. Index: the primary key, once a job.
SELECT d.job, d.tenant, d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output
FROM unnest($2::uuid[]) AS w (job)
JOIN done AS d ON d.tenant = $1 AND d.job = w.job
