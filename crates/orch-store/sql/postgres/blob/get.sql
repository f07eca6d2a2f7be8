-- The chunks of an artifact's bytes. $1 tenant, $2 sha256. Index: the primary key, in order.
SELECT media_type, size_bytes, bytes
FROM blob
WHERE tenant = $1 AND sha256 = $2
ORDER BY chunk
