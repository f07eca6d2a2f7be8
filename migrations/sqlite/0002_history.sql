-- The truth: blocks of facts by commit, and the owner's saved state.

-- A commit without facts has one row of stream -1 with nothing in it, so that commit numbers have no gaps.
CREATE TABLE history (
    commit_no INTEGER NOT NULL CHECK (commit_no > 0),
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    shard     INTEGER NOT NULL,
    stream    INTEGER NOT NULL CHECK (stream >= -1),
    facts     BLOB NOT NULL,
    leaves    BLOB NOT NULL,
    PRIMARY KEY (shard, commit_no, stream),
    CHECK (last_seq >= first_seq)
) STRICT;
-- A stream lives on one shard (the arbiter's, 0, on each), and a seq is written once.
CREATE UNIQUE INDEX history_stream ON history (stream, last_seq, shard) WHERE stream >= 0;

CREATE TABLE snapshot (
    shard     INTEGER PRIMARY KEY,
    commit_no INTEGER NOT NULL,
    format    INTEGER NOT NULL,
    state     BLOB NOT NULL
) STRICT;
