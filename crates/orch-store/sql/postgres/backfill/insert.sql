-- Backfills that were asked for, in the transaction of their commit. $1 tenant, $2 id, $3 seq, $4 at, $5 spec.
INSERT INTO backfill (tenant, id, seq, at, spec)
SELECT b.tenant, b.id, b.seq, b.at, b.spec
FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::int8[], $5::bytea[]) AS b (tenant, id, seq, at, spec)
