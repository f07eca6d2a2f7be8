-- Log lines, in the transaction of their commit. $1 tenant, $2 job, $3 attempt, $4 place, $5 at, $6 lines.
INSERT INTO log_chunk (tenant, job, attempt, place, at, lines)
SELECT l.tenant, l.job, l.attempt, l.place, l.at, l.lines
FROM unnest($1::int4[], $2::uuid[], $3::int4[], $4::int8[], $5::int8[], $6::bytea[])
    AS l (tenant, job, attempt, place, at, lines)
