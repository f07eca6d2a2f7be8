-- A page of a job's log. ?1 tenant, ?2 job, ?3 attempt, ?4 place, ?5 limit. Index: the primary key, in order.
SELECT job, tenant, attempt, place, at, lines
FROM log_chunk
WHERE tenant = ?1 AND job = ?2 AND (attempt, place) > (?3, ?4)
ORDER BY attempt, place
LIMIT ?5
