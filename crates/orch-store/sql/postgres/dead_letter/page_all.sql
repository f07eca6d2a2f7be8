-- Dead letters of a tenant, settled ones too, newest first, below ($2 at, $3 job). $1 tenant, $4 limit.
-- Index: dead_letter_page, backwards; settlement's primary key, once a row.
SELECT
    d.job, d.tenant, d.lane, d.at, d.cause, d.error, d.attempts,
    s.at, s.by, s.reason, s.replayed_as
FROM dead_letter AS d
LEFT JOIN settlement AS s ON s.tenant = $1 AND s.job = d.job
WHERE d.tenant = $1 AND (d.at, d.job) < ($2, $3)
ORDER BY d.at DESC, d.job DESC
LIMIT $4
