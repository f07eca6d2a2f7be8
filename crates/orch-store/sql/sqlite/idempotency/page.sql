-- A page of a tenant's keys of a day, rising. ?1 tenant, ?2 day, ?3 the first key, ?4 how many at most.
-- Index: the primary key, from the first key on.
SELECT key
FROM idempotency
WHERE day = ?2 AND tenant = ?1 AND key >= ?3
ORDER BY key
LIMIT ?4
