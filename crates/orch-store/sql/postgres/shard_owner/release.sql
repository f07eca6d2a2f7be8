-- Gives a shard up. $1 shard, $2 node, $3 epoch. The epoch stays: the next owner raises it.
UPDATE shard_owner
SET node = NULL
WHERE shard = $1 AND node = $2 AND epoch = $3
