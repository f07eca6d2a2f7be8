-- Labels of new jobs, in the transaction of their commit. $1 tenant, $2 job, $3 key, $4 value.
INSERT INTO job_label (tenant, job, key, value)
SELECT l.tenant, l.job, l.key, l.value
FROM unnest($1::int4[], $2::uuid[], $3::text[], $4::text[]) AS l (tenant, job, key, value)
