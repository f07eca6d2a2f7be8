-- Removes finished jobs with their ends, labels and checkpoints. $1 tenant, $2 jobs.
-- Locks: the rows that go, which nobody else touches; `lock_timeout` ends the statement if somebody does.
-- Index: the primary keys, once a job. LIMIT forbids every other road (see job/window.sql); 32 is the most labels.
WITH drop_done AS (
    DELETE FROM done
    WHERE ctid = ANY (ARRAY(
        SELECT d.place
        FROM unnest($2::uuid[]) AS w (job)
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM done WHERE tenant = $1 AND job = w.job LIMIT 1
        ) AS d
    ))
),
drop_label AS (
    DELETE FROM job_label
    WHERE ctid = ANY (ARRAY(
        SELECT l.place
        FROM unnest($2::uuid[]) AS w (job)
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM job_label WHERE job = w.job AND tenant = $1 LIMIT 32
        ) AS l
    ))
),
drop_checkpoint AS (
    DELETE FROM checkpoint
    WHERE ctid = ANY (ARRAY(
        SELECT c.place
        FROM unnest($2::uuid[]) AS w (job)
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM checkpoint WHERE tenant = $1 AND job = w.job LIMIT 1
        ) AS c
    ))
)
DELETE FROM job
WHERE ctid = ANY (ARRAY(
    SELECT j.place
    FROM unnest($2::uuid[]) AS w (job)
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM job WHERE tenant = $1 AND id = w.job LIMIT 1
    ) AS j
))
