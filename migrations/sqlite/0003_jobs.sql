-- Jobs, their ends, their labels, and the keys that keep a job from being made twice.
-- Differs from PostgreSQL: tables whose rows are short and found by key are kept in the key's own tree.

-- The tenant stands first in the key: ids may come from outside, and another tenant's id must not be noticed.
CREATE TABLE job (
    id         BLOB NOT NULL CHECK (length(id) = 16),
    lane       INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    tenant     INTEGER NOT NULL CHECK (tenant > 0),
    fresh      INTEGER NOT NULL,
    extra      BLOB,
    payload    BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
-- The window of a lane, in order; the only index besides the key that every job pays for.
CREATE UNIQUE INDEX job_window ON job (lane, seq) WHERE fresh;

CREATE TABLE job_label (
    tenant INTEGER NOT NULL,
    job    BLOB NOT NULL,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (job, tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_label_value ON job_label (tenant, key, value, job);

-- `state` is the number of a final state: 5 succeeded, 6 failed, 7 canceled, 8 skipped.
CREATE TABLE done (
    job     BLOB NOT NULL,
    lane    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    tenant  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state   INTEGER NOT NULL CHECK (state BETWEEN 5 AND 8),
    report  BLOB,
    output  BLOB,
    PRIMARY KEY (tenant, job)
) STRICT, WITHOUT ROWID;
-- Pages of what did not succeed. Succeeded jobs, which are most, cost nothing here.
CREATE INDEX done_unsuccessful ON done (tenant, job, state) WHERE state <> 5;

-- Jobs that ever ended, by lane and state, so that no page counts rows. Rotation leaves it alone.
CREATE TABLE done_total (
    tenant INTEGER NOT NULL,
    lane   INTEGER NOT NULL,
    state  INTEGER NOT NULL,
    jobs   INTEGER NOT NULL,
    PRIMARY KEY (tenant, lane, state)
) STRICT, WITHOUT ROWID;

-- The day (of `at`, in UTC) stands first, so that inserts of random keys touch one day's pages and old days go whole.
CREATE TABLE idempotency (
    key         BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    at          INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    tenant      INTEGER NOT NULL,
    jobs        BLOB NOT NULL,
    PRIMARY KEY (day, tenant, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letter (
    job      BLOB NOT NULL,
    lane     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    tenant   INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    settled  INTEGER NOT NULL DEFAULT 0,
    cause    TEXT NOT NULL,
    error    BLOB NOT NULL,
    PRIMARY KEY (tenant, job)
) STRICT;
CREATE INDEX dead_letter_page ON dead_letter (tenant, at, job);
CREATE INDEX dead_letter_open ON dead_letter (tenant, at, job) WHERE NOT settled;

CREATE TABLE settlement (
    job         BLOB NOT NULL,
    replayed_as BLOB,
    at          INTEGER NOT NULL,
    tenant      INTEGER NOT NULL,
    "by"        TEXT NOT NULL,
    reason      TEXT,
    PRIMARY KEY (tenant, job)
) STRICT, WITHOUT ROWID;
