-- A weaker take-over: reads in the snapshot in which it began to take. $1 node.
WITH taken AS (
    UPDATE shard_owner
    SET epoch = epoch + 1, node = $1
    WHERE shard = 2
    RETURNING shard
)
SELECT (SELECT array_agg(commit_no ORDER BY commit_no) FROM history AS h WHERE h.shard = taken.shard)
FROM taken
