-- A page of a tenant's jobs, newest first, found by walking its jobs. Index: job's primary key, backwards.
-- $1 tenant, $2 ids below this, $3 lanes or NULL, $4 final states or NULL, $5 open ones only,
-- $6 accepted at or after or NULL, $7 accepted before or NULL, $8 keys and $9 values of labels,
-- $10 rows wanted, $11 rows walked at most.
-- Each row carries how many ids were walked and the last of them; one row without a job when none matched.
WITH walked AS MATERIALIZED (
    SELECT id
    FROM job
    WHERE tenant = $1 AND id < $2
    ORDER BY tenant DESC, id DESC
    LIMIT $11
),
matched AS MATERIALIZED (
    SELECT j.id
    FROM walked AS w
    JOIN job AS j ON j.tenant = $1 AND j.id = w.id
    LEFT JOIN done AS d ON d.tenant = $1 AND d.job = w.id
    WHERE ($3::int8[] IS NULL OR j.lane = ANY ($3))
        AND ($4::int2[] IS NULL OR d.state = ANY ($4))
        AND (NOT $5::bool OR d.job IS NULL)
        AND ($6::int8 IS NULL OR j.created_at >= $6)
        AND ($7::int8 IS NULL OR j.created_at < $7)
        AND NOT EXISTS (
            SELECT
            FROM unnest($8::text[], $9::text[]) AS l (key, value)
            WHERE NOT EXISTS (
                SELECT
                FROM job_label AS b
                WHERE b.tenant = $1 AND b.job = w.id AND b.key = l.key AND b.value = l.value
            )
        )
    ORDER BY w.id DESC
    LIMIT $10
)
SELECT
    j.id, j.tenant, j.lane, j.seq, j.fresh, j.created_at, j.extra, j.payload,
    d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output,
    EXISTS (SELECT FROM settlement AS s WHERE s.tenant = $1 AND s.job = j.id),
    (SELECT count(*) FROM walked),
    (SELECT id FROM walked ORDER BY id LIMIT 1)
FROM (VALUES (true)) AS always (there)
LEFT JOIN matched AS m ON true
LEFT JOIN job AS j ON j.tenant = $1 AND j.id = m.id
LEFT JOIN done AS d ON d.tenant = $1 AND d.job = m.id
ORDER BY m.id DESC
