-- Takes settled dead letters out of the open ones, in the transaction of their commit. $1 tenant, $2 job.
UPDATE dead_letter AS d
SET settled = true
FROM unnest($1::int4[], $2::uuid[]) AS s (tenant, job)
WHERE d.tenant = s.tenant AND d.job = s.job
