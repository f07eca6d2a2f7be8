-- Counts ends. $1 tenant, $2 lane, $3 state, an entry an end.
-- Lock: the counts' rows. Two appends under way would count into the same ones, so the later one does this only when
-- the earlier one is committed: neither ever waits for a row of the other.
INSERT INTO done_total AS t (tenant, lane, state, jobs)
SELECT d.tenant, d.lane, d.state, count(*)
FROM unnest($1::int4[], $2::int8[], $3::int2[]) AS d (tenant, lane, state)
GROUP BY d.tenant, d.lane, d.state
ON CONFLICT (tenant, lane, state) DO UPDATE SET jobs = t.jobs + excluded.jobs
