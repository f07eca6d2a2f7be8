-- What voids the wall between tenants, in words; no row when it stands.
SELECT 'role `orch_api` does not exist; run `orch migrate`'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'orch_api')
UNION ALL
SELECT 'role `orch_api` passes row-level security'
FROM pg_roles
WHERE rolname = 'orch_api' AND (rolsuper OR rolbypassrls)
UNION ALL
SELECT format('role `orch_api` is a member of `%s`', r.rolname)
FROM pg_auth_members AS m
JOIN pg_roles AS r ON r.oid = m.roleid
JOIN pg_roles AS a ON a.oid = m.member
WHERE a.rolname = 'orch_api'
UNION ALL
SELECT format('role `%s` is no member of `%s`', current_user, r.rolname)
FROM pg_roles AS r
WHERE r.rolname IN ('orch_api', 'orch_engine') AND NOT pg_has_role(current_user, r.oid, 'MEMBER')
UNION ALL
SELECT format('table `%s` has no forced row-level security', c.relname)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'orchestrator' AND c.relkind = 'r'
    AND has_table_privilege((SELECT oid FROM pg_roles WHERE rolname = 'orch_api'), c.oid, 'SELECT')
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
UNION ALL
SELECT format('role `orch_api` may write table `%s`', c.relname)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'orchestrator' AND c.relkind = 'r'
    AND has_table_privilege(
        (SELECT oid FROM pg_roles WHERE rolname = 'orch_api'), c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'
    )
