-- Makes the shard's row at its first take-over. $1 shard.
INSERT INTO shard_owner (shard, epoch)
VALUES ($1, 0)
ON CONFLICT DO NOTHING
