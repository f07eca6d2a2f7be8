-- A tenant. ?1 tenant, ?2 id, ?3 name, ?4 shard, ?5 created_at.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO tenant (tenant, id, name, shard, created_at)
VALUES (?1, ?2, ?3, ?4, ?5)
