-- Gives a shard up. $1 shard, $2 node, $3 epoch. The epoch stays: the next owner raises it.
-- The backend that appended may serve other shards of the node by then, so the row names it no more.
UPDATE shard_owner
SET node = NULL, append_pid = NULL, append_started = NULL
WHERE shard = $1 AND node = $2 AND epoch = $3
