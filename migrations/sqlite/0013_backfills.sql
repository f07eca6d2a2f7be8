-- Backfills and their ends.

CREATE TABLE backfill (
    id     BLOB NOT NULL CHECK (length(id) = 16),
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    tenant INTEGER NOT NULL CHECK (tenant > 0),
    spec   BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
-- Pages.
CREATE UNIQUE INDEX backfill_page ON backfill (tenant, seq);

-- `outcome` is numbered as final states are: 5 succeeded, 6 failed, 7 canceled.
CREATE TABLE backfill_end (
    id      BLOB NOT NULL CHECK (length(id) = 16),
    at      INTEGER NOT NULL,
    tenant  INTEGER NOT NULL,
    outcome INTEGER NOT NULL CHECK (outcome BETWEEN 5 AND 7),
    course  BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
-- What goes: oldest first.
CREATE INDEX backfill_end_at ON backfill_end (tenant, at);
