-- A tenant's jobs with their ends. $1 tenant, $2 jobs. Index: the primary keys, once a job.
-- LIMIT 1 forbids every join but one probe a job (see job/window.sql).
SELECT
    j.id, j.tenant, j.lane, j.seq, j.fresh, j.created_at, j.extra, j.payload,
    d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output,
    coalesce(s.there, false)
FROM unnest($2::uuid[]) AS w (job)
CROSS JOIN LATERAL (SELECT * FROM job WHERE tenant = $1 AND id = w.job LIMIT 1) AS j
LEFT JOIN LATERAL (SELECT * FROM done WHERE tenant = $1 AND job = w.job LIMIT 1) AS d ON true
LEFT JOIN LATERAL (SELECT true AS there FROM settlement WHERE tenant = $1 AND job = w.job LIMIT 1) AS s ON true
