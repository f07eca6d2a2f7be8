-- A run that began. ?1 tenant, ?2 id, ?3 seq, ?4 at, ?5 graph, ?6 version, ?7 spec.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO run (tenant, id, seq, at, graph, version, spec)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
