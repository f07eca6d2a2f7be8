-- How dead letters were settled, in the transaction of their commit. The key allows one a job.
-- $1 tenant, $2 job, $3 at, $4 by, $5 reason, $6 replayed_as.
INSERT INTO settlement (tenant, job, at, "by", reason, replayed_as)
SELECT s.tenant, s.job, s.at, s.by, s.reason, s.replayed_as
FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::text[], $5::text[], $6::uuid[])
    AS s (tenant, job, at, by, reason, replayed_as)
