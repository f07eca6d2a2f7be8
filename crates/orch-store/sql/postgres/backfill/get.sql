-- A tenant's backfill with its end. $1 tenant, $2 id. Index: the primary keys.
SELECT b.tenant, b.id, b.seq, b.at, b.spec, e.at, e.outcome, e.course
FROM backfill AS b
LEFT JOIN backfill_end AS e ON e.tenant = $1 AND e.id = b.id
WHERE b.tenant = $1 AND b.id = $2
