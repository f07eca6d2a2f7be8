-- Where operators want shards, and which nodes give theirs up: as in PostgreSQL, though one process is all there is.

ALTER TABLE shard_owner ADD COLUMN wish BLOB;
ALTER TABLE node ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;

CREATE TABLE node_secret (
    one    INTEGER PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    secret BLOB NOT NULL CHECK (length(secret) = 32)
) STRICT;
INSERT INTO node_secret (secret) VALUES (randomblob(32));
