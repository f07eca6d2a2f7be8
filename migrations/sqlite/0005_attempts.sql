-- What attempts leave behind: saved progress, log lines, artifacts.
-- Differs from PostgreSQL: uploaded bytes lie in a folder beside the file, so there is no table for them.

CREATE TABLE checkpoint (
    job     BLOB NOT NULL,
    at      INTEGER NOT NULL,
    tenant  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    data    BLOB NOT NULL,
    PRIMARY KEY (tenant, job)
) STRICT;

-- `place` is the owner's order of the chunk.
CREATE TABLE log_chunk (
    job     BLOB NOT NULL,
    place   INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    tenant  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    lines   BLOB NOT NULL,
    PRIMARY KEY (tenant, job, attempt, place)
) STRICT;

CREATE TABLE artifact (
    job        BLOB NOT NULL,
    at         INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    tenant     INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    sha256     TEXT NOT NULL,
    media_type TEXT NOT NULL,
    uri        TEXT NOT NULL,
    PRIMARY KEY (tenant, sha256, job, attempt)
) STRICT, WITHOUT ROWID;
