-- Removes finished jobs with their ends, labels, checkpoints and settled dead letters, and counts them in the roll-up.
-- $1 tenant, $2 jobs, $3 only those that ended before this.
-- Everything follows the ends that this statement itself removes: an id that went and was given to a new job since has
-- no such end, and two removals at the same time count each job once.
-- Locks: the rows that go, which nobody else touches; `lock_timeout` ends the statement if somebody does.
-- Index: the primary keys, once a job. LIMIT forbids every other road (see job/window.sql); 32 is the most labels.
-- A result may hold an escaped NUL, which jsonb refuses; errors hold none, so a blank in its place changes nothing.
WITH drop_done AS (
    DELETE FROM done
    WHERE ctid = ANY (ARRAY(
        SELECT t.place
        FROM unnest($2::uuid[]) AS w (job)
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM done WHERE tenant = $1 AND job = w.job AND at < $3 LIMIT 1
        ) AS t
    ))
    RETURNING job, lane, state, at, output
),
drop_label AS (
    DELETE FROM job_label
    WHERE ctid = ANY (ARRAY(
        SELECT t.place
        FROM drop_done AS w
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM job_label WHERE job = w.job AND tenant = $1 LIMIT 32
        ) AS t
    ))
),
drop_checkpoint AS (
    DELETE FROM checkpoint
    WHERE ctid = ANY (ARRAY(
        SELECT t.place
        FROM drop_done AS w
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM checkpoint WHERE tenant = $1 AND job = w.job LIMIT 1
        ) AS t
    ))
),
drop_dead_letter AS (
    DELETE FROM dead_letter
    WHERE ctid = ANY (ARRAY(
        SELECT t.place
        FROM drop_done AS w
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM dead_letter WHERE tenant = $1 AND job = w.job LIMIT 1
        ) AS t
    ))
),
drop_settlement AS (
    DELETE FROM settlement
    WHERE ctid = ANY (ARRAY(
        SELECT t.place
        FROM drop_done AS w
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM settlement WHERE tenant = $1 AND job = w.job LIMIT 1
        ) AS t
    ))
),
count_ends AS (
    INSERT INTO rollup AS r (tenant, hour, lane, state, error_class, jobs)
    SELECT $1, e.hour, e.lane, e.state, e.error_class, count(*)
    FROM (
        SELECT
            (at / 3600000)::int4 AS hour,
            lane,
            state,
            CASE
                WHEN state = 5 OR output IS NULL THEN ''
                ELSE coalesce(
                    replace(convert_from(output, 'UTF8'), '\u0000', '\u0020')::jsonb -> 'error' ->> 'class',
                    ''
                )
            END AS error_class
        FROM drop_done
    ) AS e
    GROUP BY e.hour, e.lane, e.state, e.error_class
    ON CONFLICT (tenant, hour, lane, state, error_class) DO UPDATE SET jobs = r.jobs + excluded.jobs
)
DELETE FROM job
WHERE ctid = ANY (ARRAY(
    SELECT t.place
    FROM drop_done AS w
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM job WHERE tenant = $1 AND id = w.job LIMIT 1
    ) AS t
))
