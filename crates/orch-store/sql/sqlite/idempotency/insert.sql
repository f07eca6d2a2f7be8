-- A key that was used. ?1 day, ?2 tenant, ?3 key, ?4 fingerprint, ?5 jobs, ?6 at.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO idempotency (day, tenant, key, fingerprint, jobs, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
