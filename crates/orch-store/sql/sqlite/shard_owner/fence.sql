-- The fence of a commit, and the last commit's number. ?1 shard, ?2 epoch. No row: it does not hold.
-- Lock: the append's transaction began IMMEDIATE, so no take-over can come between this and its commit.
-- Differs from PostgreSQL: there it is part of `append/commit.sql`. Index: history's primary key, backwards.
SELECT coalesce((SELECT commit_no FROM history WHERE shard = ?1 ORDER BY commit_no DESC LIMIT 1), 0)
FROM shard_owner
WHERE shard = ?1 AND epoch = ?2
