-- Artifacts registered, in the transaction of their commit. The same one of the same attempt again changes nothing.
-- $1 tenant, $2 job, $3 attempt, $4 at, $5 sha256, $6 media_type, $7 size_bytes, $8 uri.
INSERT INTO artifact (tenant, job, attempt, at, sha256, media_type, size_bytes, uri)
SELECT a.tenant, a.job, a.attempt, a.at, a.sha256, a.media_type, a.size_bytes, a.uri
FROM unnest($1::int4[], $2::uuid[], $3::int4[], $4::int8[], $5::text[], $6::text[], $7::int8[], $8::text[])
    AS a (tenant, job, attempt, at, sha256, media_type, size_bytes, uri)
ON CONFLICT DO NOTHING
