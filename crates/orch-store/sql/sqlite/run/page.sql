-- Runs of a tenant with their ends but no courses, newest first, below (?2 seq). ?1 tenant, ?3 limit.
-- Index: run_page, backwards; run_end's primary key, once a row.
SELECT
    r.tenant, r.id, r.seq, r.at, r.graph, r.version, r.spec,
    e.at, e.outcome, x''
FROM run AS r
LEFT JOIN run_end AS e ON e.tenant = ?1 AND e.id = r.id
WHERE r.tenant = ?1 AND r.seq < ?2
ORDER BY r.seq DESC
LIMIT ?3
