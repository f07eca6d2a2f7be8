-- Nodes that are alive, or were within the last minute, and for how many ms more they count as alive. ?1 now in ms.
SELECT node, address, max(expires_at - ?1, 0), draining
FROM node
WHERE expires_at > ?1 - 60000
ORDER BY node
