-- Removes runs that ended before $2, with their ends. $1 tenant. At most 5,000 runs: if so many go there may be more.
-- Everything follows the ends that this statement itself removes, so an open run never goes.
-- Locks: the rows that go, which nobody else touches; `lock_timeout` ends the statement if somebody does.
-- Index: run_end_at, from its begin; run's primary key, once a run. LIMIT forbids every other road (see job/window.sql).
WITH drop_end AS (
    DELETE FROM run_end
    WHERE ctid = ANY (ARRAY(
        SELECT e.ctid FROM run_end AS e WHERE e.tenant = $1 AND e.at < $2 ORDER BY e.at LIMIT 5000
    ))
    RETURNING id
)
DELETE FROM run
WHERE ctid = ANY (ARRAY(
    SELECT t.place
    FROM drop_end AS w
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM run WHERE tenant = $1 AND id = w.id LIMIT 1
    ) AS t
))
