-- Backfills of a tenant with their ends, newest first, below (?2 seq). ?1 tenant, ?3 limit.
-- Index: backfill_page, backwards; backfill_end's primary key, once a row.
SELECT b.tenant, b.id, b.seq, b.at, b.spec, e.at, e.outcome, e.course
FROM backfill AS b
LEFT JOIN backfill_end AS e ON e.tenant = ?1 AND e.id = b.id
WHERE b.tenant = ?1 AND b.seq < ?2
ORDER BY b.seq DESC
LIMIT ?3
