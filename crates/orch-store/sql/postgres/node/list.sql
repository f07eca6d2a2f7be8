-- Nodes that are alive, or were within the last minute, and for how many ms more they count as alive.
SELECT node, address, greatest(expires_at - t.now, 0), draining
FROM node
CROSS JOIN (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8 AS now) AS t
WHERE expires_at > t.now - 60000
ORDER BY node
