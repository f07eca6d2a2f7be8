-- Whether a node is to give its shards up. ?1 node, ?2 draining, ?3 now in ms. No row: it is not alive.
UPDATE node
SET draining = ?2
WHERE node = ?1 AND expires_at > ?3
