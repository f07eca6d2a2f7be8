-- The first and the last day that has keys. Index: the primary key, at both ends.
-- Differs from PostgreSQL: there it is part of the look-up.
SELECT (SELECT min(day) FROM idempotency), (SELECT max(day) FROM idempotency)
