-- Names the backend of the shard's other append connection. $1 shard, $2 epoch, $3 pid, $4 start in microseconds.
-- Lock: as in `register.sql`.
UPDATE shard_owner
SET second_pid = $3, second_started = $4
WHERE shard = $1 AND epoch = $2
