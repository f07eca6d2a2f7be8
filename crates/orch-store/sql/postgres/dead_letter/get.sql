-- A tenant's dead letter of a job with its settlement. $1 tenant, $2 job. Index: the primary keys.
SELECT
    d.job, d.tenant, d.lane, d.at, d.cause, d.error, d.attempts,
    s.at, s.by, s.reason, s.replayed_as
FROM dead_letter AS d
LEFT JOIN settlement AS s ON s.tenant = $1 AND s.job = d.job
WHERE d.tenant = $1 AND d.job = $2
