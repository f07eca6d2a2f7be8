-- Gives a shard up. $1 shard, $2 node, $3 epoch. The epoch stays: the next owner raises it.
-- The backends that appended are gone by then, so the row names them no more.
UPDATE shard_owner
SET node = NULL, append_pid = NULL, append_started = NULL, second_pid = NULL, second_started = NULL
WHERE shard = $1 AND node = $2 AND epoch = $3
