-- Blocks of a stream that hold facts after ?2. ?1 stream, ?3 limit. Index: history_stream, in order.
SELECT stream, first_seq, last_seq, at, facts, leaves
FROM history
WHERE stream = ?1 AND stream >= 0 AND last_seq > ?2
ORDER BY last_seq
LIMIT ?3
