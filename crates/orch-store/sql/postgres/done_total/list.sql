-- How many jobs of a tenant ended, by lane and state. $1 tenant. Index: the primary key, in order.
SELECT lane, state, jobs
FROM done_total
WHERE tenant = $1
ORDER BY lane, state
