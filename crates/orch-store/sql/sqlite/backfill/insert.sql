-- A backfill that was asked for. ?1 tenant, ?2 id, ?3 seq, ?4 at, ?5 spec.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO backfill (tenant, id, seq, at, spec)
VALUES (?1, ?2, ?3, ?4, ?5)
