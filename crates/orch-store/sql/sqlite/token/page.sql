-- A page of a tenant's tokens by id, which rises with time. Index: token_page.
-- ?1 tenant, ?2 ids above this, ?3 rows wanted.
SELECT id, tenant, name, secret_sha256, scopes, created_at, expires_at, revoked_at
FROM token
WHERE tenant = ?1 AND id > ?2
ORDER BY id
LIMIT ?3
