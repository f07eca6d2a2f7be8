-- Who owns a shard, and until when that node counts as alive. $1 shard. No lock: `take.sql` compares the epoch.
SELECT o.epoch, o.node, n.address, n.expires_at, (extract(epoch FROM clock_timestamp()) * 1000)::int8
FROM shard_owner AS o
LEFT JOIN node AS n ON n.node = o.node
WHERE o.shard = $1
