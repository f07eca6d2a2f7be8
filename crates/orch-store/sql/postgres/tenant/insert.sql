-- Tenants, in the transaction of their commit. $1 tenant, $2 id, $3 name, $4 shard, $5 created_at.
INSERT INTO tenant (tenant, id, name, shard, created_at)
SELECT t.tenant, t.id, t.name, t.shard, t.created_at
FROM unnest($1::int4[], $2::uuid[], $3::text[], $4::int4[], $5::int8[]) AS t (tenant, id, name, shard, created_at)
