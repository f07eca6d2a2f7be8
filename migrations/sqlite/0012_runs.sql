-- Runs of graphs and their ends; and a firing may have a run in place of a job.

CREATE TABLE run (
    id      BLOB NOT NULL CHECK (length(id) = 16),
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    version INTEGER NOT NULL,
    tenant  INTEGER NOT NULL CHECK (tenant > 0),
    graph   TEXT NOT NULL,
    spec    BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
-- Pages, of all runs and of one graph's.
CREATE UNIQUE INDEX run_page ON run (tenant, seq);
CREATE INDEX run_graph ON run (tenant, graph, seq);

-- `outcome` is numbered as final states are: 5 succeeded, 6 failed, 7 canceled.
CREATE TABLE run_end (
    id      BLOB NOT NULL CHECK (length(id) = 16),
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    tenant  INTEGER NOT NULL,
    outcome INTEGER NOT NULL CHECK (outcome BETWEEN 5 AND 7),
    course  BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
-- Pages by outcome.
CREATE INDEX run_end_page ON run_end (tenant, outcome, seq);
-- What goes: oldest first.
CREATE INDEX run_end_at ON run_end (tenant, at);

-- Differs from PostgreSQL: a table's checks cannot be changed, so it is made anew.
CREATE TABLE firing_anew (
    nominal_at INTEGER NOT NULL,
    last_at    INTEGER NOT NULL CHECK (last_at >= nominal_at),
    count      INTEGER NOT NULL CHECK (count > 0),
    at         INTEGER NOT NULL,
    job        BLOB,
    run        BLOB,
    tenant     INTEGER NOT NULL,
    schedule   TEXT NOT NULL,
    cause      TEXT,
    PRIMARY KEY (tenant, schedule, nominal_at),
    CHECK ((job IS NOT NULL) + (run IS NOT NULL) + (cause IS NOT NULL) = 1)
) STRICT;
INSERT INTO firing_anew (nominal_at, last_at, count, at, job, tenant, schedule, cause)
SELECT nominal_at, last_at, count, at, job, tenant, schedule, cause FROM firing;
DROP TABLE firing;
ALTER TABLE firing_anew RENAME TO firing;
-- What goes: oldest first.
CREATE INDEX firing_at ON firing (tenant, at);
