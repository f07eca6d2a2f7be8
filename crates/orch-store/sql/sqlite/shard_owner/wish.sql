-- On which node an operator wants a shard. ?1 shard, ?2 node, ?3 now in ms. No row: no such shard, or that node is not
-- alive.
UPDATE shard_owner
SET wish = ?2
WHERE shard = ?1 AND EXISTS (SELECT 1 FROM node WHERE node = ?2 AND expires_at > ?3)
