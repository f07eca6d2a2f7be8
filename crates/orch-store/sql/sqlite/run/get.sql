-- A tenant's run with its end and course. ?1 tenant, ?2 id. Index: the primary keys.
SELECT
    r.tenant, r.id, r.seq, r.at, r.graph, r.version, r.spec,
    e.at, e.outcome, e.course
FROM run AS r
LEFT JOIN run_end AS e ON e.tenant = ?1 AND e.id = r.id
WHERE r.tenant = ?1 AND r.id = ?2
