-- Announces or renews a node. $1 node, $2 address, $3 lease in ms. Returns the database's time in ms.
-- Lock: the node's row, for this statement. The clock is read after the lock was got (ON CONFLICT evaluates its SET
-- on the locked row), so that a renewal that waited behind a take-over is not back-dated.
-- It touches no shard's row: an open append does not hold it up. What the node owns is read afterwards by
-- `shard_owner/owned.sql`, in a snapshot of its own, so that a take-over which this one waited for is seen.
INSERT INTO node AS n (node, address, expires_at, renewal_pid, renewal_started)
VALUES (
    $1,
    $2,
    (extract(epoch FROM clock_timestamp()) * 1000)::int8 + $3,
    pg_backend_pid(),
    (SELECT (extract(epoch FROM backend_start) * 1000000)::int8 FROM pg_stat_activity WHERE pid = pg_backend_pid())
)
ON CONFLICT (node) DO UPDATE SET
    address = excluded.address,
    expires_at = (extract(epoch FROM clock_timestamp()) * 1000)::int8 + $3,
    renewal_pid = excluded.renewal_pid,
    renewal_started = excluded.renewal_started
RETURNING n.expires_at - $3
