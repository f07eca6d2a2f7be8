-- Removes a backfill whose end went. ?1 tenant, ?2 id. Index: the primary key.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
DELETE FROM backfill
WHERE tenant = ?1 AND id = ?2
