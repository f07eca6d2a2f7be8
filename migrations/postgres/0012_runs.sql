-- Runs of graphs and their ends; and a firing may have a run in place of a job.

CREATE TABLE run (
    id      uuid NOT NULL,
    seq     int8 NOT NULL,
    at      int8 NOT NULL,
    version int8 NOT NULL,
    tenant  int4 NOT NULL CHECK (tenant > 0),
    graph   text COLLATE "C" NOT NULL,
    spec    bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- Pages, of all runs and of one graph's.
CREATE UNIQUE INDEX run_page ON run (tenant, seq);
CREATE INDEX run_graph ON run (tenant, graph, seq);

-- `outcome` is numbered as final states are: 5 succeeded, 6 failed, 7 canceled.
CREATE TABLE run_end (
    id      uuid NOT NULL,
    seq     int8 NOT NULL,
    at      int8 NOT NULL,
    tenant  int4 NOT NULL,
    outcome int2 NOT NULL CHECK (outcome BETWEEN 5 AND 7),
    course  bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- Pages by outcome.
CREATE INDEX run_end_page ON run_end (tenant, outcome, seq);
-- What goes: oldest first.
CREATE INDEX run_end_at ON run_end (tenant, at);

DO $$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['run', 'run_end'] LOOP
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
GRANT SELECT, INSERT, UPDATE, DELETE ON run, run_end TO orch_engine;
GRANT SELECT ON run, run_end TO orch_api;

-- `firing_check1` said: either a job or a cause. (`firing_check` is of the two instants.)
ALTER TABLE firing
    ADD COLUMN run uuid,
    DROP CONSTRAINT firing_check1,
    ADD CONSTRAINT firing_became CHECK (num_nonnulls(job, run, cause) = 1);
