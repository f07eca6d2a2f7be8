-- A chunk of a tenant's jobs by rising id, each with what decides whether it goes. ?1 tenant, ?2 ids above this.
-- Returns (id, lane, seq, fresh, created_at, has an end, has an open dead letter). At most 2,000 jobs.
SELECT
    j.id, j.lane, j.seq, j.fresh, j.created_at,
    EXISTS (SELECT 1 FROM done AS d WHERE d.tenant = ?1 AND d.job = j.id),
    EXISTS (SELECT 1 FROM dead_letter AS l WHERE l.tenant = ?1 AND l.job = j.id AND NOT l.settled)
FROM job AS j
WHERE j.tenant = ?1 AND j.id > ?2
ORDER BY j.id
LIMIT 2000
