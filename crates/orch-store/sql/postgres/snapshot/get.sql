-- The owner's saved state. $1 shard.
SELECT commit_no, format, state
FROM snapshot
WHERE shard = $1
