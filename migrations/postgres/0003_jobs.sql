-- Jobs, their ends, their labels, and the keys that keep a job from being made twice.

-- The tenant stands first in the key: ids may come from outside, and another tenant's id must not be noticed.
CREATE TABLE job (
    id         uuid NOT NULL,
    lane       int8 NOT NULL,
    seq        int8 NOT NULL,
    created_at int8 NOT NULL,
    tenant     int4 NOT NULL CHECK (tenant > 0),
    fresh      bool NOT NULL,
    extra      bytea,
    payload    bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- The window of a lane, in order; the only index besides the key that every job pays for.
CREATE UNIQUE INDEX job_window ON job (lane, seq) WHERE fresh;

CREATE TABLE job_label (
    tenant int4 NOT NULL,
    job    uuid NOT NULL,
    key    text COLLATE "C" NOT NULL,
    value  text COLLATE "C" NOT NULL,
    PRIMARY KEY (job, tenant, key)
);
CREATE INDEX job_label_value ON job_label (tenant, key, value, job);

-- `state` is the number of a final state: 5 succeeded, 6 failed, 7 canceled, 8 skipped.
CREATE TABLE done (
    job     uuid NOT NULL,
    lane    int8 NOT NULL,
    at      int8 NOT NULL,
    seq     int8 NOT NULL,
    epoch   int8 NOT NULL,
    tenant  int4 NOT NULL,
    attempt int4 NOT NULL,
    state   int2 NOT NULL CHECK (state BETWEEN 5 AND 8),
    report  uuid,
    output  bytea,
    PRIMARY KEY (tenant, job)
);
-- Pages of what did not succeed. Succeeded jobs, which are most, cost nothing here.
CREATE INDEX done_unsuccessful ON done (tenant, job, state) WHERE state <> 5;

-- Jobs that ever ended, by lane and state, so that no page counts rows. Rotation leaves it alone.
CREATE TABLE done_total (
    tenant int4 NOT NULL,
    lane   int8 NOT NULL,
    state  int2 NOT NULL,
    jobs   int8 NOT NULL,
    PRIMARY KEY (tenant, lane, state)
) WITH (fillfactor = 50);

-- The day (of `at`, in UTC) stands first, so that inserts of random keys touch one day's pages and old days go whole.
CREATE TABLE idempotency (
    key         uuid NOT NULL,
    fingerprint uuid NOT NULL,
    at          int8 NOT NULL,
    day         int4 NOT NULL,
    tenant      int4 NOT NULL,
    jobs        bytea NOT NULL,
    PRIMARY KEY (day, tenant, key)
);

CREATE TABLE dead_letter (
    job      uuid NOT NULL,
    lane     int8 NOT NULL,
    at       int8 NOT NULL,
    tenant   int4 NOT NULL,
    attempts int4 NOT NULL,
    settled  bool NOT NULL DEFAULT false,
    cause    text NOT NULL,
    error    bytea NOT NULL,
    PRIMARY KEY (tenant, job)
);
CREATE INDEX dead_letter_page ON dead_letter (tenant, at, job);
CREATE INDEX dead_letter_open ON dead_letter (tenant, at, job) WHERE NOT settled;

CREATE TABLE settlement (
    job         uuid NOT NULL,
    replayed_as uuid,
    at          int8 NOT NULL,
    tenant      int4 NOT NULL,
    "by"        text NOT NULL,
    reason      text,
    PRIMARY KEY (tenant, job)
);
