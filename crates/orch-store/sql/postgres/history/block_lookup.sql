-- The blocks of a stream that hold given seqs. $1 stream, $2 seqs, sorted. Index: history_stream, once a seq.
-- The caller drops a block that it has already. The arbiter's stream (0) exists on each shard; a tenant's on one.
SELECT b.stream, b.first_seq, b.last_seq, b.at, b.facts, b.leaves
FROM unnest($2::int8[]) AS w (seq)
CROSS JOIN LATERAL (
    SELECT *
    FROM history
    WHERE stream = $1 AND stream >= 0 AND last_seq >= w.seq
    ORDER BY stream, last_seq
    LIMIT 1
) AS b
WHERE b.first_seq <= w.seq
