-- Backfills of a tenant with their ends, newest first, below ($2 seq). $1 tenant, $3 limit.
-- Index: backfill_page, backwards; backfill_end's primary key, once a row (LIMIT 1, see job/window.sql).
SELECT b.tenant, b.id, b.seq, b.at, b.spec, e.at, e.outcome, e.course
FROM (
    SELECT *
    FROM backfill
    WHERE tenant = $1 AND seq < $2
    ORDER BY seq DESC
    LIMIT $3
) AS b
LEFT JOIN LATERAL (SELECT * FROM backfill_end WHERE tenant = $1 AND id = b.id LIMIT 1) AS e ON true
ORDER BY b.seq DESC
