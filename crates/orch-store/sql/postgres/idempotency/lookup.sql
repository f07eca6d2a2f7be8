-- Keys of a tenant that were written at or after $3. $1 tenant, $2 keys, $4 the day of $3.
-- Index: the primary key, once a key and day. There are few days: from $4 to the last one written. The first one kept is
-- not asked for: entries of keys that were forgotten lie before it until the next vacuum, and each would be walked.
-- LIMIT 1 forbids every join but one probe a key and day (see job/window.sql).
SELECT i.tenant, i.key, i.fingerprint, i.jobs, i.at
FROM generate_series($4::int4, (SELECT day FROM idempotency ORDER BY day DESC LIMIT 1)) AS p (day)
CROSS JOIN unnest($2::uuid[]) AS w (key)
CROSS JOIN LATERAL (SELECT * FROM idempotency WHERE day = p.day AND tenant = $1 AND key = w.key LIMIT 1) AS i
WHERE i.at >= $3
