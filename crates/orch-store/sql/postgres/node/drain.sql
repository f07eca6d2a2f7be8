-- Whether a node is to give its shards up. $1 node, $2 draining. No row: it is not alive.
-- Lock: the node's row, as a renewal takes it.
UPDATE node
SET draining = $2
WHERE node = $1 AND expires_at > (extract(epoch FROM clock_timestamp()) * 1000)::int8
