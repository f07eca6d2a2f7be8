-- Runs of a tenant with their ends but no courses, newest first, below ($2 seq). $1 tenant, $3 limit.
-- Index: run_page, backwards; run_end's primary key, once a row (LIMIT 1, see job/window.sql).
SELECT
    r.tenant, r.id, r.seq, r.at, r.graph, r.version, r.spec,
    e.at, e.outcome, ''::bytea
FROM (
    SELECT *
    FROM run
    WHERE tenant = $1 AND seq < $2
    ORDER BY seq DESC
    LIMIT $3
) AS r
LEFT JOIN LATERAL (SELECT * FROM run_end WHERE tenant = $1 AND id = r.id LIMIT 1) AS e ON true
ORDER BY r.seq DESC
