-- Raises the epoch and names the new owner. ?1 shard, ?2 node, ?3 the epoch that was read.
-- Safe: the write transaction that read the epoch excludes every append.
UPDATE shard_owner
SET epoch = epoch + 1, node = ?2
WHERE shard = ?1 AND epoch = ?3
RETURNING epoch
