-- The next fresh jobs without an end of a lane. ?1 lane (as numbered in the ledger), ?2 tenant, ?3 order key to start
-- after, ?4 limit. Index: job_window in order, done's primary key once a job.
-- Differs from PostgreSQL: one lane a call.
SELECT j.id, j.seq, j.extra, j.payload
FROM job AS j INDEXED BY job_window
WHERE j.lane = ?1 AND j.seq > ?3 AND j.fresh AND j.tenant = ?2
    AND NOT EXISTS (SELECT 1 FROM done AS d WHERE d.tenant = ?2 AND d.job = j.id)
ORDER BY j.seq
LIMIT min(?4, 2000)
