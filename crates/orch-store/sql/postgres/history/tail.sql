-- Commits of a shard after $2 and up to $3. $1 shard. Index: the primary key, in order.
SELECT commit_no, stream, first_seq, last_seq, at, facts, leaves
FROM history
WHERE shard = $1 AND commit_no > $2 AND commit_no <= $3
ORDER BY commit_no, stream
