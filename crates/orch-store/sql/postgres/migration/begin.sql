-- Makes the schema and the table of migrations. Locks: schema `orchestrator`, once.
-- Safe with others at it: the caller holds the advisory lock.
CREATE SCHEMA IF NOT EXISTS orchestrator;
SET search_path TO orchestrator;
CREATE TABLE IF NOT EXISTS schema_migration (
    version    int4 PRIMARY KEY,
    name       text NOT NULL,
    applied_at int8 NOT NULL
)
