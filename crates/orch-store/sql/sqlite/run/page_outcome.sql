-- Runs of a tenant that ended like this, without courses, newest first, below (?2 seq). ?1 tenant, ?3 limit, ?4 outcome.
-- Index: run_end_page, backwards; run's primary key, once a row. CROSS JOIN keeps the order of the tables.
SELECT
    r.tenant, r.id, r.seq, r.at, r.graph, r.version, r.spec,
    e.at, e.outcome, x''
FROM run_end AS e
CROSS JOIN run AS r
WHERE e.tenant = ?1 AND e.outcome = ?4 AND e.seq < ?2 AND r.tenant = ?1 AND r.id = e.id
ORDER BY e.seq DESC
LIMIT ?3
