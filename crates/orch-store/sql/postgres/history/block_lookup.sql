-- The blocks of a stream that hold given seqs. $1 stream, $2 seqs. Index: history_stream, once a seq.
-- The arbiter's stream (0) exists on each shard; a tenant's on one.
WITH wanted AS MATERIALIZED (
    SELECT DISTINCT b.shard, b.commit_no
    FROM unnest($2::int8[]) AS w (seq)
    CROSS JOIN LATERAL (
        SELECT shard, commit_no, first_seq
        FROM history
        WHERE stream = $1 AND stream >= 0 AND last_seq >= w.seq
        ORDER BY stream, last_seq
        LIMIT 1
    ) AS b
    WHERE b.first_seq <= w.seq
)
SELECT h.stream, h.first_seq, h.last_seq, h.at, h.facts, h.leaves
FROM wanted AS w
JOIN history AS h ON h.shard = w.shard AND h.commit_no = w.commit_no AND h.stream = $1
ORDER BY h.first_seq
