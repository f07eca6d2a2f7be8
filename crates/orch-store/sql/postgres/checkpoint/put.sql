-- Saved progress, in the transaction of its commit; each job once in the arguments. $1 tenant, $2 job, $3 attempt, $4 at, $5 data.
INSERT INTO checkpoint (tenant, job, attempt, at, data)
SELECT c.tenant, c.job, c.attempt, c.at, c.data
FROM unnest($1::int4[], $2::uuid[], $3::int4[], $4::int8[], $5::bytea[]) AS c (tenant, job, attempt, at, data)
ON CONFLICT (tenant, job) DO UPDATE SET
    attempt = excluded.attempt,
    at = excluded.at,
    data = excluded.data
