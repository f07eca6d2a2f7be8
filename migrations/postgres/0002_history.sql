-- The truth: blocks of facts by commit, and the owner's saved state.

-- A commit without facts has one row of stream -1 with nothing in it, so that commit numbers have no gaps.
CREATE TABLE history (
    commit_no int8 NOT NULL CHECK (commit_no > 0),
    first_seq int8 NOT NULL,
    last_seq  int8 NOT NULL,
    at        int8 NOT NULL,
    shard     int4 NOT NULL,
    stream    int4 NOT NULL CHECK (stream >= -1),
    facts     bytea NOT NULL,
    leaves    bytea NOT NULL,
    PRIMARY KEY (shard, commit_no, stream),
    CHECK (last_seq >= first_seq)
);
-- Compressed and random bytes: a second compression would only cost.
ALTER TABLE history ALTER COLUMN facts SET STORAGE EXTERNAL;
ALTER TABLE history ALTER COLUMN leaves SET STORAGE EXTERNAL;
-- A stream lives on one shard (the arbiter's, 0, on each), and a seq is written once.
CREATE UNIQUE INDEX history_stream ON history (stream, last_seq, shard) WHERE stream >= 0;

CREATE TABLE snapshot (
    shard     int4 PRIMARY KEY,
    commit_no int8 NOT NULL,
    format    int8 NOT NULL,
    state     bytea NOT NULL
);
ALTER TABLE snapshot ALTER COLUMN state SET STORAGE EXTERNAL;
