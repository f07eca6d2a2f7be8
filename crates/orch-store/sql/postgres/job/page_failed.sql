-- A page of a tenant's jobs, newest first, found by walking those that ended without success, for their errors.
-- Index: done_unsuccessful, backwards; only it has the order asked for.
-- $1 tenant, $2 ids below this, $3 lanes or NULL, $4 final states or NULL, $5 open ones only,
-- $6 accepted at or after or NULL, $7 accepted before or NULL, $8 keys and $9 values of labels,
-- $10 rows wanted, $11 rows walked at most, $12 codes or classes of errors.
-- Each row carries how many ids were walked and the last of them; one row without a job when none matched.
-- A result may hold an escaped NUL, which jsonb refuses; errors hold none, so a blank in its place changes nothing.
-- LIMIT 1 forbids every join but one probe a job: with the planner's choice a page took 4 s.
WITH walked AS MATERIALIZED (
    SELECT job AS id
    FROM done
    WHERE tenant = $1 AND job < $2 AND state <> 5
    ORDER BY tenant DESC, job DESC, state DESC
    LIMIT $11
),
matched AS MATERIALIZED (
    SELECT w.id
    FROM walked AS w
    CROSS JOIN LATERAL (SELECT lane, created_at FROM job WHERE tenant = $1 AND id = w.id LIMIT 1) AS j
    LEFT JOIN LATERAL (SELECT state, output FROM done WHERE tenant = $1 AND job = w.id LIMIT 1) AS d ON true
    CROSS JOIN LATERAL (
        SELECT replace(convert_from(d.output, 'UTF8'), '\u0000', '\u0020')::jsonb -> 'error' AS error
    ) AS e
    WHERE (e.error ->> 'code' = ANY ($12::text[]) OR e.error ->> 'class' = ANY ($12))
        AND ($3::int8[] IS NULL OR j.lane = ANY ($3))
        AND ($4::int2[] IS NULL OR d.state = ANY ($4))
        AND (NOT $5::bool OR d.state IS NULL)
        AND ($6::int8 IS NULL OR j.created_at >= $6)
        AND ($7::int8 IS NULL OR j.created_at < $7)
        AND cardinality($8::text[]) = (
            SELECT count(*)
            FROM unnest($8::text[], $9::text[]) AS l (key, value)
            CROSS JOIN LATERAL (
                SELECT value
                FROM job_label
                WHERE job = w.id AND tenant = $1 AND key = l.key
                LIMIT 1
            ) AS b
            WHERE b.value = l.value
        )
    ORDER BY w.id DESC
    LIMIT $10
)
SELECT
    j.id, j.tenant, j.lane, j.seq, j.fresh, j.created_at, j.extra, j.payload,
    d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output,
    coalesce(s.there, false),
    (SELECT count(*) FROM walked),
    (SELECT id FROM walked ORDER BY id LIMIT 1)
FROM (VALUES (true)) AS always (there)
LEFT JOIN matched AS m ON true
LEFT JOIN LATERAL (SELECT * FROM job WHERE tenant = $1 AND id = m.id LIMIT 1) AS j ON true
LEFT JOIN LATERAL (SELECT * FROM done WHERE tenant = $1 AND job = m.id LIMIT 1) AS d ON true
LEFT JOIN LATERAL (SELECT true AS there FROM settlement WHERE tenant = $1 AND job = m.id LIMIT 1) AS s ON true
ORDER BY m.id DESC
