-- Removes ends of runs from before ?2, and returns whose they were. ?1 tenant. At most 5,000: if so many go there may be
-- more.
-- Index: run_end_at, from its begin.
DELETE FROM run_end
WHERE rowid IN (SELECT e.rowid FROM run_end AS e WHERE e.tenant = ?1 AND e.at < ?2 ORDER BY e.at LIMIT 5000)
RETURNING id
