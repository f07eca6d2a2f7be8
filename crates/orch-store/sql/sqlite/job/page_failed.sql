-- A page of a tenant's jobs, newest first, found by walking those that ended without success, for their errors.
-- Index: done_unsuccessful, backwards.
-- ?1 tenant, ?2 ids below this, ?3 lanes or NULL, ?4 final states or NULL (both as JSON), ?5 open ones only,
-- ?6 accepted at or after or NULL, ?7 accepted before or NULL, ?8 labels as JSON [[key, value], …],
-- ?9 rows wanted, ?10 rows walked at most, ?11 codes or classes of errors as JSON.
-- Each row carries how many ids were walked and the last of them; one row without a job when none matched.
-- Differs from PostgreSQL: lists are JSON.
WITH walked AS MATERIALIZED (
    SELECT job AS id
    FROM done INDEXED BY done_unsuccessful
    WHERE tenant = ?1 AND job < ?2 AND state <> 5
    ORDER BY job DESC
    LIMIT ?10
),
matched AS MATERIALIZED (
    SELECT j.id
    FROM walked AS w
    CROSS JOIN job AS j ON j.tenant = ?1 AND j.id = w.id
    LEFT JOIN done AS d ON d.tenant = ?1 AND d.job = w.id
    WHERE (
        CAST(d.output AS TEXT) ->> '$.error.code' IN (SELECT value FROM json_each(?11))
        OR CAST(d.output AS TEXT) ->> '$.error.class' IN (SELECT value FROM json_each(?11))
    )
        AND (?3 IS NULL OR j.lane IN (SELECT value FROM json_each(?3)))
        AND (?4 IS NULL OR d.state IN (SELECT value FROM json_each(?4)))
        AND (NOT ?5 OR d.job IS NULL)
        AND (?6 IS NULL OR j.created_at >= ?6)
        AND (?7 IS NULL OR j.created_at < ?7)
        AND NOT EXISTS (
            SELECT 1
            FROM json_each(?8) AS l
            WHERE NOT EXISTS (
                SELECT 1
                FROM job_label AS b
                WHERE b.tenant = ?1 AND b.job = w.id AND b.key = l.value ->> 0 AND b.value = l.value ->> 1
            )
        )
    ORDER BY w.id DESC
    LIMIT ?9
)
SELECT
    j.id, j.tenant, j.lane, j.seq, j.fresh, j.created_at, j.extra, j.payload,
    d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output,
    EXISTS (SELECT 1 FROM settlement AS s WHERE s.tenant = ?1 AND s.job = j.id),
    (SELECT count(*) FROM walked),
    (SELECT min(id) FROM walked)
FROM (SELECT 1 AS there) AS always
LEFT JOIN matched AS m
LEFT JOIN job AS j ON j.tenant = ?1 AND j.id = m.id
LEFT JOIN done AS d ON d.tenant = ?1 AND d.job = m.id
ORDER BY m.id DESC
