-- Jobs of a tenant that were removed, from an hour on. $1 tenant, $2 hour. Index: the primary key, in order.
SELECT hour, lane, state, error_class, jobs
FROM rollup
WHERE tenant = $1 AND hour >= $2
ORDER BY hour, lane, state, error_class
