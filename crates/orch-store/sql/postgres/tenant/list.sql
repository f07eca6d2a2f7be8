-- All tenants. Names no tenant: for the owner's start and for platform administrators.
SELECT tenant, id, name, shard, created_at
FROM tenant
ORDER BY tenant
