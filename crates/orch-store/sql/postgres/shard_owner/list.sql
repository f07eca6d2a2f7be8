-- All shards.
SELECT shard, epoch, node, wish
FROM shard_owner
ORDER BY shard
