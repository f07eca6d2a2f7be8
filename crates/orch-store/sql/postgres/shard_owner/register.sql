-- Names the backend that will append to the shard. $1 shard, $2 epoch, $3 pid, $4 start in microseconds.
-- Lock: the row without its key, so no open append is waited for. No row: somebody took over.
UPDATE shard_owner
SET append_pid = $3, append_started = $4
WHERE shard = $1 AND epoch = $2
