-- Backfills and their ends.

CREATE TABLE backfill (
    id     uuid NOT NULL,
    seq    int8 NOT NULL,
    at     int8 NOT NULL,
    tenant int4 NOT NULL CHECK (tenant > 0),
    spec   bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- Pages.
CREATE UNIQUE INDEX backfill_page ON backfill (tenant, seq);

-- `outcome` is numbered as final states are: 5 succeeded, 6 failed, 7 canceled.
CREATE TABLE backfill_end (
    id      uuid NOT NULL,
    at      int8 NOT NULL,
    tenant  int4 NOT NULL,
    outcome int2 NOT NULL CHECK (outcome BETWEEN 5 AND 7),
    course  bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- What goes: oldest first.
CREATE INDEX backfill_end_at ON backfill_end (tenant, at);

DO $$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['backfill', 'backfill_end'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', named);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', named);
        EXECUTE format('CREATE POLICY engine ON %I TO orch_engine USING (true) WITH CHECK (true)', named);
        EXECUTE format(
            'CREATE POLICY api ON %I FOR SELECT TO orch_api
             USING (tenant = (SELECT nullif(current_setting(''orchestrator.tenant'', true), '''')::int4))',
            named
        );
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE, DELETE ON backfill, backfill_end TO orch_engine;
GRANT SELECT ON backfill, backfill_end TO orch_api;
