-- Who owns a shard, and until when that node counts as alive. ?1 shard.
SELECT o.epoch, o.node, n.address, n.expires_at
FROM shard_owner AS o
LEFT JOIN node AS n ON n.node = o.node
WHERE o.shard = ?1
