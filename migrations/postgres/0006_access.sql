-- The second wall between tenants, and that requests only read.
-- `orch_engine` writes: whoever runs a server logs in as a member of it. `orch_api` reads one tenant's rows, the one
-- that the session's setting `orchestrator.tenant` names; without the setting it reads nothing.
-- Roles belong to the whole cluster: they may be there already, or be made by another database at this moment.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['orch_engine', 'orch_api'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF NOT pg_has_role(current_user, role_name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA orchestrator TO orch_engine, orch_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA orchestrator TO orch_engine;

DO $$
DECLARE
    named record;
BEGIN
    FOR named IN
        SELECT *
        FROM (VALUES
            ('history', 'stream'), ('job', 'tenant'), ('job_label', 'tenant'), ('done', 'tenant'),
            ('done_total', 'tenant'), ('idempotency', 'tenant'), ('dead_letter', 'tenant'), ('settlement', 'tenant'),
            ('tenant', 'tenant'), ('token', 'tenant'), ('config', 'tenant'), ('checkpoint', 'tenant'),
            ('log_chunk', 'tenant'), ('artifact', 'tenant'), ('blob', 'tenant')
        ) AS tables (name, owner)
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', named.name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', named.name);
        EXECUTE format('CREATE POLICY engine ON %I TO orch_engine USING (true) WITH CHECK (true)', named.name);
        -- The sub-select is evaluated once a statement.
        EXECUTE format(
            'CREATE POLICY api ON %I FOR SELECT TO orch_api
             USING (%I = (SELECT nullif(current_setting(''orchestrator.tenant'', true), '''')::int4))',
            named.name, named.owner
        );
    END LOOP;
END
$$;

-- Keys and tokens are nobody's to read in a request.
GRANT SELECT ON history, job, job_label, done, done_total, dead_letter, settlement, tenant, config, checkpoint,
    log_chunk, artifact, blob TO orch_api;
