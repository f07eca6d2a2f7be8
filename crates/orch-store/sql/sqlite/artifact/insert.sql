-- An artifact registered. The same one of the same attempt again changes nothing.
-- ?1 tenant, ?2 job, ?3 attempt, ?4 at, ?5 sha256, ?6 media_type, ?7 size_bytes, ?8 uri.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO artifact (tenant, job, attempt, at, sha256, media_type, size_bytes, uri)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT DO NOTHING
