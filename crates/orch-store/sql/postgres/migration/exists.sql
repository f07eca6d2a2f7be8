-- True when the ledger was ever migrated.
SELECT to_regclass('orchestrator.schema_migration') IS NOT NULL
