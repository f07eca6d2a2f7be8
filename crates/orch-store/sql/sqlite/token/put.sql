-- A token made or made again. ?1 id, ?2 tenant, ?3 name, ?4 secret_sha256, ?5 scopes, ?6 created_at, ?7 expires_at, ?8 revoked_at.
-- A token keeps its tenant: a row of another tenant with this id is left alone.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO token (id, tenant, name, secret_sha256, scopes, created_at, expires_at, revoked_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name,
    secret_sha256 = excluded.secret_sha256,
    scopes = excluded.scopes,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at,
    revoked_at = excluded.revoked_at
WHERE tenant = excluded.tenant
