-- Ends the old owner's connections: those that append to this shard, and the one that renews, unless the node is
-- the taker itself. $1 shard, $2 the taker.
-- Needed because no time-out ends a transaction whose client froze in the middle of a message.
-- Not what keeps the ledger whole: that is the lock in the append. Start times are compared, since pids come again.
SELECT pg_terminate_backend(a.pid)
FROM shard_owner AS o
LEFT JOIN node AS n ON n.node = o.node AND n.node <> $2
JOIN pg_stat_activity AS a
    ON (a.pid = o.append_pid AND (extract(epoch FROM a.backend_start) * 1000000)::int8 = o.append_started)
    OR (a.pid = o.second_pid AND (extract(epoch FROM a.backend_start) * 1000000)::int8 = o.second_started)
    OR (a.pid = n.renewal_pid AND (extract(epoch FROM a.backend_start) * 1000000)::int8 = n.renewal_started)
WHERE o.shard = $1 AND a.pid <> pg_backend_pid()
