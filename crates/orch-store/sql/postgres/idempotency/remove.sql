-- A step of forgetting keys: removes some of a tenant's by rising (day, key), and says where it ended.
-- $1 tenant, $2 days before this, $3 day (0: the first that there is) and $4 key to go on above.
-- Returns (how many, day and key of the last); one row without a place when there was none. At most 2,000 keys.
-- Locks: the rows that go, which nobody else touches; `lock_timeout` ends the statement if somebody does.
-- Index: the primary key, once a day, from where the last step ended: entries of keys that went lie there until the
-- next vacuum, and would be walked again. LIMIT forbids every other road (see job/window.sql).
WITH walked AS MATERIALIZED (
    SELECT k.day, k.key, k.place
    FROM generate_series(
        CASE WHEN $3::int4 > 0 THEN $3 ELSE (SELECT day FROM idempotency ORDER BY day LIMIT 1) END,
        $2::int4 - 1
    ) AS p (day)
    CROSS JOIN LATERAL (
        SELECT i.day, i.key, i.ctid AS place
        FROM idempotency AS i
        WHERE i.day = p.day AND i.tenant = $1
            AND i.key > CASE WHEN p.day = $3 THEN $4::uuid ELSE '00000000-0000-0000-0000-000000000000' END
        ORDER BY i.day, i.tenant, i.key
        LIMIT 2000
    ) AS k
    LIMIT 2000
),
removed AS (
    DELETE FROM idempotency
    WHERE ctid = ANY (ARRAY(SELECT place FROM walked))
    RETURNING day
)
SELECT (SELECT count(*) FROM removed), l.day, l.key
FROM (VALUES (true)) AS always (there)
LEFT JOIN LATERAL (SELECT day, key FROM walked OFFSET 1999) AS l ON true
