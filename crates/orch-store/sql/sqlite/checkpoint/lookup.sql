-- The last checkpoint of a tenant's job. ?1 tenant, ?2 job. Index: the primary key.
-- Differs from PostgreSQL: one job a call.
SELECT job, tenant, attempt, at, data
FROM checkpoint
WHERE tenant = ?1 AND job = ?2
