-- One commit of one shard: facts, jobs, ends and keys, or nothing.
-- $1 shard, $2 epoch, $3 commit number;
-- $4..$9 history: stream, first_seq, last_seq, at, facts, leaves;
-- $10..$17 job: id, tenant, lane, seq, fresh, created_at, extra, payload;
-- $18..$27 done: job, tenant, lane, state, at, seq, attempt, epoch, report, output;
-- $28..$33 idempotency: day, tenant, key, fingerprint, jobs, at;
-- $34 whether the commit before is still under way on another connection. Then the caller sees to the order, and counts
-- the ends after that one's commit (`done_total/add.sql`).
-- Returns whether the fence held and whether the commit is the next one; unless both, nothing was written.
--
-- Lock: FOR KEY SHARE on the row (shard, epoch), kept to the end of the transaction. A take-over raises the epoch,
-- which is part of a key, and therefore waits for it. An append that waits behind a take-over reads the row again
-- when it gets the lock, finds another epoch, and writes nothing. A plain SELECT would not wait and not be waited
-- for; FOR KEY SHARE without UNIQUE (shard, epoch) would not conflict with the take-over. `tests/fence.rs` shows both.
-- Index: shard_owner_epoch or its primary key; history's primary key, backwards, for the last commit number.
-- Alternatives: COPY in a transaction was a fifth faster in a prototype and needs a wire client of its own;
-- FOR SHARE and an advisory lock measured alike.
WITH fence AS (
    SELECT
    FROM shard_owner
    WHERE shard = $1 AND epoch = $2
    FOR KEY SHARE
),
line AS MATERIALIZED (
    SELECT
    FROM fence
    WHERE $34 OR coalesce(
        (SELECT commit_no FROM history WHERE shard = $1 ORDER BY shard DESC, commit_no DESC LIMIT 1),
        0
    ) = $3::int8 - 1
),
put_history AS (
    INSERT INTO history (shard, commit_no, stream, first_seq, last_seq, at, facts, leaves)
    SELECT $1, $3, h.stream, h.first_seq, h.last_seq, h.at, h.facts, h.leaves
    FROM line
    CROSS JOIN unnest($4::int4[], $5::int8[], $6::int8[], $7::int8[], $8::bytea[], $9::bytea[])
        AS h (stream, first_seq, last_seq, at, facts, leaves)
),
put_job AS (
    INSERT INTO job (id, tenant, lane, seq, fresh, created_at, extra, payload)
    SELECT j.id, j.tenant, j.lane, j.seq, j.fresh, j.created_at, j.extra, j.payload
    FROM line
    CROSS JOIN unnest(
        $10::uuid[], $11::int4[], $12::int8[], $13::int8[], $14::bool[], $15::int8[], $16::bytea[], $17::bytea[]
    ) AS j (id, tenant, lane, seq, fresh, created_at, extra, payload)
),
put_done AS (
    INSERT INTO done (job, tenant, lane, state, at, seq, attempt, epoch, report, output)
    SELECT d.job, d.tenant, d.lane, d.state, d.at, d.seq, d.attempt, d.epoch, d.report, d.output
    FROM line
    CROSS JOIN unnest(
        $18::uuid[], $19::int4[], $20::int8[], $21::int2[], $22::int8[], $23::int8[], $24::int4[], $25::int8[],
        $26::uuid[], $27::bytea[]
    ) AS d (job, tenant, lane, state, at, seq, attempt, epoch, report, output)
),
put_total AS (
    INSERT INTO done_total AS t (tenant, lane, state, jobs)
    SELECT d.tenant, d.lane, d.state, count(*)
    FROM line
    CROSS JOIN unnest($19::int4[], $20::int8[], $21::int2[]) AS d (tenant, lane, state)
    WHERE NOT $34
    GROUP BY d.tenant, d.lane, d.state
    ON CONFLICT (tenant, lane, state) DO UPDATE SET jobs = t.jobs + excluded.jobs
),
put_key AS (
    INSERT INTO idempotency (day, tenant, key, fingerprint, jobs, at)
    SELECT k.day, k.tenant, k.key, k.fingerprint, k.jobs, k.at
    FROM line
    CROSS JOIN unnest($28::int4[], $29::int4[], $30::uuid[], $31::uuid[], $32::bytea[], $33::int8[])
        AS k (day, tenant, key, fingerprint, jobs, at)
)
SELECT EXISTS (SELECT FROM fence), EXISTS (SELECT FROM line)
