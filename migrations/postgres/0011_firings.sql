-- What became of each nominal instant of each schedule: one row of each, whatever happens.

CREATE TABLE firing (
    nominal_at int8 NOT NULL,
    last_at    int8 NOT NULL CHECK (last_at >= nominal_at),
    count      int8 NOT NULL CHECK (count > 0),
    at         int8 NOT NULL,
    job        uuid,
    tenant     int4 NOT NULL,
    schedule   text COLLATE "C" NOT NULL,
    cause      text COLLATE "C",
    PRIMARY KEY (tenant, schedule, nominal_at),
    CHECK ((job IS NULL) <> (cause IS NULL))
);

-- What goes: oldest first.
CREATE INDEX firing_at ON firing (tenant, at);

ALTER TABLE firing ENABLE ROW LEVEL SECURITY;
ALTER TABLE firing FORCE ROW LEVEL SECURITY;
CREATE POLICY engine ON firing TO orch_engine USING (true) WITH CHECK (true);
CREATE POLICY api ON firing FOR SELECT TO orch_api
    USING (tenant = (SELECT nullif(current_setting('orchestrator.tenant', true), '')::int4));
GRANT SELECT, INSERT, UPDATE, DELETE ON firing TO orch_engine;
GRANT SELECT ON firing TO orch_api;
