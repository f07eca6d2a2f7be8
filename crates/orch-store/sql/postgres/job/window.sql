-- The next fresh jobs without an end of many lanes. $1 lanes (as numbered in the ledger), $2 tenants, $3 order keys
-- to start after, $4 limits. Returns the wish's number (from 1) with each job, by wish and order key.
-- Index: job_window in order, done's primary key once a job. No sort, no scan past a lane's end.
-- The inner LIMIT is a literal: with a parameter the plan turned generic (103,000 -> 1,900 jobs/s in a prototype).
-- The outer one only stops reading early. LIMIT 1 around the end forbids every join but one probe a job: with old
-- statistics the planner takes a tenant's rows for few and reads all of them.
SELECT w.wish, r.id, r.seq, r.extra, r.payload
FROM unnest($1::int8[], $2::int4[], $3::int8[], $4::int8[]) WITH ORDINALITY AS w (lane, tenant, after, wanted, wish)
CROSS JOIN LATERAL (
    SELECT f.id, f.seq, f.extra, f.payload
    FROM (
        SELECT j.id, j.seq, j.extra, j.payload
        FROM job AS j
        LEFT JOIN LATERAL (
            SELECT true AS there
            FROM done AS d
            WHERE d.tenant = j.tenant AND d.job = j.id
            LIMIT 1
        ) AS ended ON true
        WHERE j.lane = w.lane AND j.seq > w.after AND j.fresh AND j.tenant = w.tenant AND ended.there IS NULL
        ORDER BY j.lane, j.seq
        LIMIT 2000
    ) AS f
    LIMIT w.wanted
) AS r
