-- Removes some of a tenant's keys of a day. ?1 tenant, ?2 day. Index: the primary key. At most 500 keys.
-- Differs from PostgreSQL: one day a call; what went is not there any more, so each step begins at the first.
DELETE FROM idempotency
WHERE day = ?2 AND tenant = ?1 AND key IN (
    SELECT key
    FROM idempotency
    WHERE day = ?2 AND tenant = ?1
    ORDER BY key
    LIMIT 500
)
