-- A new job. ?1 id, ?2 tenant, ?3 lane, ?4 seq, ?5 fresh, ?6 created_at, ?7 extra, ?8 payload.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO job (id, tenant, lane, seq, fresh, created_at, extra, payload)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
