-- Open dead letters of a tenant, newest first, below (?2 at, ?3 job). ?1 tenant, ?4 limit. Index: dead_letter_open, backwards.
SELECT
    d.job, d.tenant, d.lane, d.at, d.cause, d.error, d.attempts,
    NULL, NULL, NULL, NULL
FROM dead_letter AS d
WHERE d.tenant = ?1 AND (d.at, d.job) < (?2, ?3) AND NOT d.settled
ORDER BY d.at DESC, d.job DESC
LIMIT ?4
