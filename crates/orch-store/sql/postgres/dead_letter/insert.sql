-- Dead letters, in the transaction of their commit. $1 tenant, $2 job, $3 lane, $4 at, $5 cause, $6 error, $7 attempts.
INSERT INTO dead_letter (tenant, job, lane, at, cause, error, attempts)
SELECT d.tenant, d.job, d.lane, d.at, d.cause, d.error, d.attempts
FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::int8[], $5::text[], $6::bytea[], $7::int4[])
    AS d (tenant, job, lane, at, cause, error, attempts)
