-- Ends of backfills, in the transaction of their commit. $1 tenant, $2 id, $3 at, $4 outcome, $5 course.
INSERT INTO backfill_end (tenant, id, at, outcome, course)
SELECT e.tenant, e.id, e.at, e.outcome, e.course
FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::int2[], $5::bytea[]) AS e (tenant, id, at, outcome, course)
