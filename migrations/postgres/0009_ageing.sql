-- Ageing: what ended long ago is removed in small steps, and counted by the hour before it goes.

-- Jobs that were removed, by the hour (from 1970-01-01T00:00Z) in which they ended. `done_total` has all ends without
-- their time; this has the time, for those that nobody can count in `done` any more.
CREATE TABLE rollup (
    lane        int8 NOT NULL,
    jobs        int8 NOT NULL,
    tenant      int4 NOT NULL,
    hour        int4 NOT NULL,
    state       int2 NOT NULL,
    error_class text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, hour, lane, state, error_class)
) WITH (fillfactor = 50);

ALTER TABLE rollup ENABLE ROW LEVEL SECURITY;
ALTER TABLE rollup FORCE ROW LEVEL SECURITY;
CREATE POLICY engine ON rollup TO orch_engine USING (true) WITH CHECK (true);
CREATE POLICY api ON rollup FOR SELECT TO orch_api
    USING (tenant = (SELECT nullif(current_setting('orchestrator.tenant', true), '')::int4));
GRANT SELECT, INSERT, UPDATE, DELETE ON rollup TO orch_engine;
GRANT SELECT ON rollup TO orch_api;

-- The artifacts of a job that goes; the key has the digest in front.
CREATE INDEX artifact_job ON artifact (tenant, job);

-- These tables are written at the full rate at one end and swept at the other. The usual thresholds, a fifth of the
-- table, would let millions of dead rows pile up before they are reused, and statistics would be a day old; and without
-- a vacuum after inserts, index-only walks visit the table for each row. No vacuum gives a table's end back to the disk:
-- it would be taken again at once, and appends wait for the lock that this needs.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['job', 'done', 'idempotency', 'job_label', 'log_chunk', 'artifact'] LOOP
        EXECUTE format(
            'ALTER TABLE %I SET (
                autovacuum_vacuum_scale_factor = 0.02,
                autovacuum_vacuum_insert_scale_factor = 0.05,
                autovacuum_analyze_scale_factor = 0.02,
                vacuum_truncate = false
            )',
            name
        );
    END LOOP;
END
$$;
ALTER TABLE job SET (toast.autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE done SET (toast.autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE log_chunk SET (toast.autovacuum_vacuum_scale_factor = 0.02);
