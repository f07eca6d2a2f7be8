-- What became of each nominal instant of each schedule: one row of each, whatever happens.

CREATE TABLE firing (
    nominal_at INTEGER NOT NULL,
    last_at    INTEGER NOT NULL CHECK (last_at >= nominal_at),
    count      INTEGER NOT NULL CHECK (count > 0),
    at         INTEGER NOT NULL,
    job        BLOB,
    tenant     INTEGER NOT NULL,
    schedule   TEXT NOT NULL,
    cause      TEXT,
    PRIMARY KEY (tenant, schedule, nominal_at),
    CHECK ((job IS NULL) <> (cause IS NULL))
) STRICT;

-- What goes: oldest first.
CREATE INDEX firing_at ON firing (tenant, at);
