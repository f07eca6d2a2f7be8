-- A tenant's jobs with their ends. $1 tenant, $2 jobs. Index: the primary keys, once a job.
SELECT
    j.id, j.tenant, j.lane, j.seq, j.fresh, j.created_at, j.extra, j.payload,
    d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output,
    EXISTS (SELECT FROM settlement AS s WHERE s.tenant = $1 AND s.job = j.id)
FROM unnest($2::uuid[]) AS w (job)
JOIN job AS j ON j.tenant = $1 AND j.id = w.job
LEFT JOIN done AS d ON d.tenant = $1 AND d.job = w.job
