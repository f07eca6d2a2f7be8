-- Who may write: the ledger's own name, live nodes, and each shard's owner.
-- Times are milliseconds since 1970-01-01T00:00:00Z everywhere.
-- Differs from PostgreSQL: no backends to name, since one process holds the file.

CREATE TABLE ledger (
    one         INTEGER PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 16)
) STRICT;
INSERT INTO ledger (incarnation) VALUES (randomblob(16));

CREATE TABLE node (
    node       BLOB PRIMARY KEY,
    address    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE shard_owner (
    shard INTEGER PRIMARY KEY CHECK (shard BETWEEN 0 AND 65535),
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    node  BLOB,
    UNIQUE (shard, epoch)
) STRICT;
