-- Removes a chunk of a tenant's finished jobs with their ends, labels and checkpoints.
-- $1 tenant, $2 lanes and $3 their heads, $4 accepted before, $5 jobs to keep, $6 ids above this.
-- Walks at most 2,000 jobs by rising id and returns (kept, removed, walked, last id).
-- Stays: what has no end, what is fresh and above its lane's head, what $5 names, what has an open dead letter,
-- and lanes that are not named.
-- Locks: the rows that go, which nobody else touches; `lock_timeout` ends the statement if somebody does.
WITH walked AS MATERIALIZED (
    SELECT id, lane, seq, fresh, created_at
    FROM job
    WHERE tenant = $1 AND id > $6
    ORDER BY tenant, id
    LIMIT 2000
),
old AS MATERIALIZED (
    SELECT
        w.id,
        EXISTS (SELECT FROM done AS d WHERE d.tenant = $1 AND d.job = w.id)
            AND NOT (w.fresh AND w.seq > h.head)
            AND NOT w.id = ANY ($5::uuid[])
            AND NOT EXISTS (SELECT FROM dead_letter AS l WHERE l.tenant = $1 AND l.job = w.id AND NOT l.settled) AS goes
    FROM walked AS w
    JOIN unnest($2::int8[], $3::int8[]) AS h (lane, head) ON h.lane = w.lane
    WHERE w.created_at < $4
),
drop_done AS (
    DELETE FROM done AS d
    USING old AS o
    WHERE o.goes AND d.tenant = $1 AND d.job = o.id
),
drop_label AS (
    DELETE FROM job_label AS l
    USING old AS o
    WHERE o.goes AND l.tenant = $1 AND l.job = o.id
),
drop_checkpoint AS (
    DELETE FROM checkpoint AS c
    USING old AS o
    WHERE o.goes AND c.tenant = $1 AND c.job = o.id
),
drop_job AS (
    DELETE FROM job AS j
    USING old AS o
    WHERE o.goes AND j.tenant = $1 AND j.id = o.id
)
SELECT
    (SELECT count(*) FROM old WHERE NOT goes),
    (SELECT count(*) FROM old WHERE goes),
    (SELECT count(*) FROM walked),
    (SELECT id FROM walked ORDER BY id DESC LIMIT 1)
