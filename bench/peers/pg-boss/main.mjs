// pg-boss with what its documentation offers for throughput: https://pgboss.io/api/workers
// One process; batches of 500, several workers that fetch again at once while batches are full, one completion a batch.

import pg from "pg";
import { PgBoss } from "pg-boss";

import { BATCH, PRODUCERS, Run, options, payload, required, version } from "./measure.mjs";

const QUEUE = "noop";
const worker = {
  batchSize: 500,
  localConcurrency: 4,
  pollingIntervalSeconds: 0.5,
  burstWhenBatchFull: true,
};

const connectionString = required("DATABASE_URL");
const pool = new pg.Pool({ connectionString, max: 1 });
const boss = new PgBoss({ connectionString, max: 10 });
boss.on("error", (error) => console.error(error));
const settings = { ...worker, insert: "insert", batch: BATCH, producers: PRODUCERS };
const measured = new Run({ peer: "pg-boss", version: version("pg-boss"), settings }, options());

async function done() {
  const text = "SELECT count(*)::int AS jobs FROM pgboss.job WHERE name = $1 AND state = 'completed'";
  const { rows } = await pool.query(text, [QUEUE]);
  return rows[0].jobs;
}

await boss.start();
await boss.createQueue(QUEUE);
await measured.enqueue((count) => boss.insert(QUEUE, Array.from({ length: count }, () => ({ data: payload() }))));
await pool.query("VACUUM (ANALYZE)");

await measured.work({
  start: (handled) =>
    boss.work(QUEUE, worker, async (batch) => {
      batch.forEach(() => handled());
    }),
  stop: () => boss.offWork(QUEUE, { wait: true }),
  done,
});
await boss.stop({ graceful: true });
await pool.end();
