-- Ageing: what ended long ago is removed in small steps, and counted by the hour before it goes.
-- Differs from PostgreSQL: no roles, and nothing to vacuum: pages that come free are used again.

-- Jobs that were removed, by the hour (from 1970-01-01T00:00Z) in which they ended. `done_total` has all ends without
-- their time; this has the time, for those that nobody can count in `done` any more.
CREATE TABLE rollup (
    tenant      INTEGER NOT NULL,
    hour        INTEGER NOT NULL,
    lane        INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    error_class TEXT NOT NULL,
    jobs        INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, lane, state, error_class)
) STRICT, WITHOUT ROWID;

-- The artifacts of a job that goes; the key has the digest in front.
CREATE INDEX artifact_job ON artifact (tenant, job);
