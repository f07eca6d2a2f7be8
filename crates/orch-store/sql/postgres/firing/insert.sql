-- What became of nominal instants, in the transaction of their commit.
-- $1 tenant, $2 schedule, $3 nominal_at, $4 last_at, $5 count, $6 at, $7 job, $8 run, $9 cause.
INSERT INTO firing (tenant, schedule, nominal_at, last_at, count, at, job, run, cause)
SELECT f.tenant, f.schedule, f.nominal_at, f.last_at, f.count, f.at, f.job, f.run, f.cause
FROM unnest(
    $1::int4[], $2::text[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::uuid[], $8::uuid[], $9::text[]
) AS f (tenant, schedule, nominal_at, last_at, count, at, job, run, cause)
