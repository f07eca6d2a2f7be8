-- Keeps an artifact's bytes in chunks, numbered from 0. The same digest again changes nothing.
-- $1 tenant, $2 sha256, $3 media_type, $4 size_bytes, $5 chunks.
INSERT INTO blob (tenant, sha256, chunk, media_type, size_bytes, bytes)
SELECT $1, $2, c.chunk - 1, $3, $4, c.bytes
FROM unnest($5::bytea[]) WITH ORDINALITY AS c (bytes, chunk)
ON CONFLICT DO NOTHING
