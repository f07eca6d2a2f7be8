-- On which node an operator wants a shard. $1 shard, $2 node. No row: no such shard, or that node is not alive.
-- Lock: the row without its key, so no open append is waited for.
UPDATE shard_owner
SET wish = $2
WHERE shard = $1
    AND EXISTS (
        SELECT FROM node WHERE node = $2 AND expires_at > (extract(epoch FROM clock_timestamp()) * 1000)::int8
    )
