-- The block of a stream that holds a seq, or the next one. ?1 stream, ?2 seq. Index: history_stream, in order.
-- Differs from PostgreSQL: one seq a call; the caller drops a block that begins after it and those it has.
SELECT stream, first_seq, last_seq, at, facts, leaves
FROM history
WHERE stream = ?1 AND stream >= 0 AND last_seq >= ?2
ORDER BY last_seq
LIMIT 1
