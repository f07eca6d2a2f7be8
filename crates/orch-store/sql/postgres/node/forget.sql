-- Forgets nodes that have been gone for a day and own nothing.
-- Lock: rows of dead nodes; one that a take-over holds is left for the next time.
DELETE FROM node
WHERE node IN (
    SELECT n.node
    FROM node AS n
    WHERE n.expires_at < (extract(epoch FROM clock_timestamp()) * 1000)::int8 - 86400000
        AND NOT EXISTS (SELECT FROM shard_owner AS o WHERE o.node = n.node)
    FOR UPDATE SKIP LOCKED
)
