-- Removes ends of backfills from before ?2, and returns whose they were. ?1 tenant. At most 5,000: if so many go there
-- may be more.
-- Index: backfill_end_at, from its begin.
DELETE FROM backfill_end
WHERE rowid IN (SELECT e.rowid FROM backfill_end AS e WHERE e.tenant = ?1 AND e.at < ?2 ORDER BY e.at LIMIT 5000)
RETURNING id
