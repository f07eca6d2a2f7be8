-- A chunk of a tenant's jobs by rising id, each with what decides whether it goes. $1 tenant, $2 ids above this.
-- Returns (id, lane, seq, fresh, created_at, has an end, has an open dead letter). At most 2,000 jobs.
-- Index: the primary keys. No lock: what has ended stays ended, so the decision holds until `job/remove.sql`.
SELECT
    j.id, j.lane, j.seq, j.fresh, j.created_at,
    d.there IS NOT NULL,
    l.there IS NOT NULL
FROM (
    SELECT id, lane, seq, fresh, created_at
    FROM job
    WHERE tenant = $1 AND id > $2
    ORDER BY tenant, id
    LIMIT 2000
) AS j
LEFT JOIN LATERAL (SELECT true AS there FROM done WHERE tenant = $1 AND job = j.id LIMIT 1) AS d ON true
LEFT JOIN LATERAL (
    SELECT true AS there
    FROM dead_letter
    WHERE tenant = $1 AND job = j.id AND NOT settled
    LIMIT 1
) AS l ON true
ORDER BY j.id
