-- A tenant's job with its end. ?1 tenant, ?2 job. Index: the primary keys.
-- Differs from PostgreSQL: one job a call.
SELECT
    j.id, j.tenant, j.lane, j.seq, j.fresh, j.created_at, j.extra, j.payload,
    d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output,
    EXISTS (SELECT 1 FROM settlement AS s WHERE s.tenant = ?1 AND s.job = j.id)
FROM job AS j
LEFT JOIN done AS d ON d.tenant = ?1 AND d.job = j.id
WHERE j.tenant = ?1 AND j.id = ?2
