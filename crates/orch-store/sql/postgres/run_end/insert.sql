-- Ends of runs, in the transaction of their commit. $1 tenant, $2 id, $3 seq, $4 at, $5 outcome, $6 course.
INSERT INTO run_end (tenant, id, seq, at, outcome, course)
SELECT e.tenant, e.id, e.seq, e.at, e.outcome, e.course
FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::int8[], $5::int2[], $6::bytea[])
    AS e (tenant, id, seq, at, outcome, course)
