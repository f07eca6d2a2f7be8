-- A chunk of a tenant's jobs by rising id, each with what decides whether it goes.
-- ?1 tenant, ?2 ids above this, ?3 ids up to this. Returns (id, lane, seq, fresh, end or NULL, has an open dead letter);
-- the end is that of its dead letter's settlement, if it has one.
-- At most 500 jobs.
SELECT
    j.id, j.lane, j.seq, j.fresh,
    max(d.at, coalesce((SELECT s.at FROM settlement AS s WHERE s.tenant = ?1 AND s.job = j.id), d.at)),
    EXISTS (SELECT 1 FROM dead_letter AS l WHERE l.tenant = ?1 AND l.job = j.id AND NOT l.settled)
FROM job AS j
LEFT JOIN done AS d ON d.tenant = ?1 AND d.job = j.id
WHERE j.tenant = ?1 AND j.id > ?2 AND j.id <= ?3
ORDER BY j.id
LIMIT 500
