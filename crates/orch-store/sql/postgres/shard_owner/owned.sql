-- Shards that name a node. $1 node.
SELECT shard, epoch
FROM shard_owner
WHERE node = $1
ORDER BY shard
