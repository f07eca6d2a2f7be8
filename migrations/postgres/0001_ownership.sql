-- Who may write: the ledger's own name, live nodes, and each shard's owner.
-- Times are milliseconds since 1970-01-01T00:00:00Z everywhere.

CREATE TABLE ledger (
    one         bool PRIMARY KEY DEFAULT true CHECK (one),
    incarnation uuid NOT NULL
);
INSERT INTO ledger (incarnation) VALUES (gen_random_uuid());

-- `renewal_*` name the backend that renewed last, so that a take-over can end it.
CREATE TABLE node (
    node            uuid PRIMARY KEY,
    address         text NOT NULL,
    expires_at      int8 NOT NULL,
    renewal_pid     int4,
    renewal_started int8
) WITH (fillfactor = 50);

-- UNIQUE (shard, epoch) makes the epoch part of a key: raising it conflicts with the FOR KEY SHARE of an open
-- append, while writing any other column does not.
CREATE TABLE shard_owner (
    shard          int4 PRIMARY KEY CHECK (shard BETWEEN 0 AND 65535),
    epoch          int8 NOT NULL CHECK (epoch >= 0),
    node           uuid,
    append_pid     int4,
    append_started int8,
    CONSTRAINT shard_owner_epoch UNIQUE (shard, epoch)
) WITH (fillfactor = 50);
