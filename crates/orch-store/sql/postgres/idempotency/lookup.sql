-- Keys of a tenant that were written at or after $3. $1 tenant, $2 keys, $4 the day of $3.
-- Index: the primary key, once a key and day. There are few days: the first one kept, or $4, to the last one written.
-- LIMIT 1 forbids every join but one probe a key and day (see job/window.sql).
SELECT i.tenant, i.key, i.fingerprint, i.jobs, i.at
FROM generate_series(
    greatest((SELECT day FROM idempotency ORDER BY day LIMIT 1), $4::int4),
    (SELECT day FROM idempotency ORDER BY day DESC LIMIT 1)
) AS p (day)
CROSS JOIN unnest($2::uuid[]) AS w (key)
CROSS JOIN LATERAL (SELECT * FROM idempotency WHERE day = p.day AND tenant = $1 AND key = w.key LIMIT 1) AS i
WHERE i.at >= $3
