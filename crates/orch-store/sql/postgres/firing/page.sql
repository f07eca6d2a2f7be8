-- What became of a schedule's nominal instants, newest first, below ($3 nominal_at). $1 tenant, $2 schedule, $4 limit.
-- Index: the primary key, backwards.
SELECT f.tenant, f.schedule, f.nominal_at, f.last_at, f.count, f.at, f.job, f.run, f.cause
FROM firing AS f
WHERE f.tenant = $1 AND f.schedule = $2 AND f.nominal_at < $3
ORDER BY f.nominal_at DESC
LIMIT $4
