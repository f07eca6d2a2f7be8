-- Raises the epoch and names the new owner. $1 shard, $2 node, $3 the epoch that was read.
-- Lock: a key update of the shard's row, since the epoch is part of UNIQUE (shard, epoch). It waits for every open
-- append (FOR KEY SHARE), and appends that come later wait for it and then find the epoch gone.
-- Compare-and-set on the epoch: of two takers the second gets no row.
UPDATE shard_owner
SET epoch = epoch + 1, node = $2, append_pid = NULL, append_started = NULL,
    second_pid = NULL, second_started = NULL
WHERE shard = $1 AND epoch = $3
RETURNING epoch, (extract(epoch FROM clock_timestamp()) * 1000)::int8, (SELECT incarnation FROM ledger)
