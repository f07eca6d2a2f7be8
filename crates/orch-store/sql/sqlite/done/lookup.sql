-- The end of a tenant's job. ?1 tenant, ?2 job. Index: the primary key.
-- Differs from PostgreSQL: one job a call.
SELECT job, tenant, lane, state, at, seq, attempt, epoch, report, output
FROM done
WHERE tenant = ?1 AND job = ?2
