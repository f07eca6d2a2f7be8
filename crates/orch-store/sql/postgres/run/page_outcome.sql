-- Runs of a tenant that ended like this, without courses, newest first, below ($2 seq). $1 tenant, $3 limit, $4 outcome.
-- Index: run_end_page, backwards; run's primary key, once a row (LIMIT 1, see job/window.sql).
SELECT
    r.tenant, r.id, r.seq, r.at, r.graph, r.version, r.spec,
    e.at, e.outcome, ''::bytea
FROM (
    SELECT *
    FROM run_end
    WHERE tenant = $1 AND outcome = $4 AND seq < $2
    ORDER BY seq DESC
    LIMIT $3
) AS e
CROSS JOIN LATERAL (SELECT * FROM run WHERE tenant = $1 AND id = e.id LIMIT 1) AS r
ORDER BY e.seq DESC
