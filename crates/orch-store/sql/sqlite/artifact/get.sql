-- An artifact of a tenant by digest. ?1 tenant, ?2 sha256. Index: the primary key; the lowest job's is as good as any.
SELECT tenant, job, attempt, at, sha256, media_type, size_bytes, uri
FROM artifact
WHERE tenant = ?1 AND sha256 = ?2
ORDER BY job, attempt
LIMIT 1
