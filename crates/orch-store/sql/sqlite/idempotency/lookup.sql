-- A key of a tenant on one day, if it was written at or after ?4. ?1 day, ?2 tenant, ?3 key. Index: the primary key.
-- Differs from PostgreSQL: one key and day a call.
SELECT tenant, key, fingerprint, jobs, at
FROM idempotency
WHERE day = ?1 AND tenant = ?2 AND key = ?3 AND at >= ?4
