-- The last checkpoints of a tenant's jobs. $1 tenant, $2 jobs. Index: the primary key, once a job.
SELECT c.job, c.tenant, c.attempt, c.at, c.data
FROM unnest($2::uuid[]) AS w (job)
JOIN checkpoint AS c ON c.tenant = $1 AND c.job = w.job
