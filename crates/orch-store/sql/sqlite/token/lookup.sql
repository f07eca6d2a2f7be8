-- The token with a secret's hash. ?1 secret_sha256. Names no tenant: it is what is being looked up.
SELECT id, tenant, name, secret_sha256, scopes, created_at, expires_at, revoked_at
FROM token
WHERE secret_sha256 = ?1
