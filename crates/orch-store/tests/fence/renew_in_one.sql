-- A weaker renewal: reads what the node owns in the statement that waited. $1 node.
WITH renewed AS (
    UPDATE node
    SET expires_at = (extract(epoch FROM clock_timestamp()) * 1000)::int8 + 60000
    WHERE node = $1
    RETURNING node
)
SELECT o.shard
FROM renewed AS r
JOIN shard_owner AS o ON o.node = r.node
