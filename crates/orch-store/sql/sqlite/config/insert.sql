-- A version of a declared thing. ?1 tenant, ?2 kind, ?3 name, ?4 version, ?5 at, ?6 doc.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO config (tenant, kind, name, version, at, doc)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
