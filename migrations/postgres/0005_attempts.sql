-- What attempts leave behind: saved progress, log lines, artifacts, and uploaded bytes.

CREATE TABLE checkpoint (
    job     uuid NOT NULL,
    at      int8 NOT NULL,
    tenant  int4 NOT NULL,
    attempt int4 NOT NULL,
    data    bytea NOT NULL,
    PRIMARY KEY (tenant, job)
);

-- `place` is the owner's order of the chunk.
CREATE TABLE log_chunk (
    job     uuid NOT NULL,
    place   int8 NOT NULL,
    at      int8 NOT NULL,
    tenant  int4 NOT NULL,
    attempt int4 NOT NULL,
    lines   bytea NOT NULL,
    PRIMARY KEY (tenant, job, attempt, place)
);

CREATE TABLE artifact (
    job        uuid NOT NULL,
    at         int8 NOT NULL,
    size_bytes int8 NOT NULL,
    tenant     int4 NOT NULL,
    attempt    int4 NOT NULL,
    sha256     text COLLATE "C" NOT NULL,
    media_type text NOT NULL,
    uri        text NOT NULL,
    PRIMARY KEY (tenant, sha256, job, attempt)
);

-- Chunks of 256 KiB, from 0; `size_bytes` is the size of the whole.
CREATE TABLE blob (
    size_bytes int8 NOT NULL,
    tenant     int4 NOT NULL,
    chunk      int4 NOT NULL,
    sha256     text COLLATE "C" NOT NULL,
    media_type text NOT NULL,
    bytes      bytea NOT NULL,
    PRIMARY KEY (tenant, sha256, chunk)
);
ALTER TABLE blob ALTER COLUMN bytes SET STORAGE EXTERNAL;
