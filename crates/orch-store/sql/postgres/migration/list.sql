-- Migrations that were applied.
SELECT version, name
FROM orchestrator.schema_migration
ORDER BY version
