-- A token of a tenant. Index: token_page. $1 tenant, $2 id.
SELECT id, tenant, name, secret_sha256, scopes, created_at, expires_at, revoked_at
FROM token
WHERE tenant = $1 AND id = $2
