-- Dead letters of a tenant, settled ones too, newest first, below ($2 at, $3 job). $1 tenant, $4 limit.
-- Index: dead_letter_page, backwards; settlement's primary key, once a row (LIMIT 1, see job/window.sql).
SELECT
    d.job, d.tenant, d.lane, d.at, d.cause, d.error, d.attempts,
    s.at, s.by, s.reason, s.replayed_as
FROM (
    SELECT *
    FROM dead_letter
    WHERE tenant = $1 AND (at, job) < ($2, $3)
    ORDER BY at DESC, job DESC
    LIMIT $4
) AS d
LEFT JOIN LATERAL (SELECT * FROM settlement WHERE tenant = $1 AND job = d.job LIMIT 1) AS s ON true
ORDER BY d.at DESC, d.job DESC
