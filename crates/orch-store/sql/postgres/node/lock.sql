-- Locks a node's row and says when it expires and what time it is, in ms. $1 node.
-- Lock: FOR UPDATE on the node's row: a renewal waits for the take-over's end and then finds its shards gone.
-- A clock read before the wait only makes the node look more alive.
SELECT expires_at, (extract(epoch FROM clock_timestamp()) * 1000)::int8
FROM node
WHERE node = $1
FOR UPDATE
