-- Tokens made or made again, in the transaction of their commit; each id once in the arguments.
-- $1 id, $2 tenant, $3 name, $4 secret_sha256, $5 scopes, $6 created_at, $7 expires_at, $8 revoked_at.
-- A token keeps its tenant: a row of another tenant with this id is left alone.
INSERT INTO token AS t (id, tenant, name, secret_sha256, scopes, created_at, expires_at, revoked_at)
SELECT n.id, n.tenant, n.name, n.secret_sha256, n.scopes, n.created_at, n.expires_at, n.revoked_at
FROM unnest(
    $1::uuid[], $2::int4[], $3::text[], $4::bytea[], $5::text[], $6::int8[], $7::int8[], $8::int8[]
) AS n (id, tenant, name, secret_sha256, scopes, created_at, expires_at, revoked_at)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name,
    secret_sha256 = excluded.secret_sha256,
    scopes = excluded.scopes,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at,
    revoked_at = excluded.revoked_at
WHERE t.tenant = excluded.tenant
