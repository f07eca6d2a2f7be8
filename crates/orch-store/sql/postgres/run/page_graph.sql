-- Runs of one graph with their ends but no courses, newest first, below ($2 seq). $1 tenant, $3 limit, $4 graph,
-- $5 outcome or null.
-- Index: run_graph, backwards; run_end's primary key, once a row that is walked (LIMIT 1, see job/window.sql).
SELECT
    r.tenant, r.id, r.seq, r.at, r.graph, r.version, r.spec,
    e.at, e.outcome, ''::bytea
FROM run AS r
LEFT JOIN LATERAL (SELECT * FROM run_end WHERE tenant = $1 AND id = r.id LIMIT 1) AS e ON true
WHERE
    r.tenant = $1
    AND r.graph = $4
    AND r.seq < $2
    AND ($5::int2 IS NULL OR e.outcome = $5)
ORDER BY r.seq DESC
LIMIT $3
