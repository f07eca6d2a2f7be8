-- A chunk of a tenant's jobs by rising id, each with what decides whether it goes.
-- $1 tenant, $2 ids above this, $3 ids up to this. Returns (id, lane, seq, fresh, end or NULL, has an open dead letter);
-- the end is that of its dead letter's settlement, if it has one.
-- At most 500 jobs.
-- Index: the primary keys. No lock: what has ended stays ended; `job/remove.sql` looks again.
SELECT
    j.id, j.lane, j.seq, j.fresh,
    CASE WHEN d.at IS NOT NULL THEN greatest(d.at, s.at) END,
    l.there IS NOT NULL
FROM (
    SELECT id, lane, seq, fresh
    FROM job
    WHERE tenant = $1 AND id > $2 AND id <= $3
    ORDER BY tenant, id
    LIMIT 500
) AS j
LEFT JOIN LATERAL (SELECT at FROM done WHERE tenant = $1 AND job = j.id LIMIT 1) AS d ON true
LEFT JOIN LATERAL (SELECT at FROM settlement WHERE tenant = $1 AND job = j.id LIMIT 1) AS s ON true
LEFT JOIN LATERAL (
    SELECT true AS there
    FROM dead_letter
    WHERE tenant = $1 AND job = j.id AND NOT settled
    LIMIT 1
) AS l ON true
ORDER BY j.id
