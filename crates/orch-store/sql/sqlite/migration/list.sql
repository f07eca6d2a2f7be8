-- Migrations that were applied.
SELECT version, name
FROM schema_migration
ORDER BY version
