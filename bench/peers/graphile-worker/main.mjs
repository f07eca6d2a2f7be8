// graphile-worker as its authors measure it: https://worker.graphile.org/docs/performance
// One process; a local queue of 500 jobs, completions and failures in batches without a delay of their own.

import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

import { BATCH, PRODUCERS, Run, options, payload, required, version } from "./measure.mjs";

const TASK = "noop";
const worker = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

const connectionString = required("DATABASE_URL");
const pool = new pg.Pool({ connectionString, max: PRODUCERS + 1 });
pool.on("error", (error) => console.error(error));
pool.on("connect", (client) => client.on("error", (error) => console.error(error)));
const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});
const preset = { worker: { ...worker, connectionString, logger } };
const settings = { ...worker, insert: "addJobs", batch: BATCH, producers: PRODUCERS };
const measured = new Run({ peer: "graphile-worker", version: version("graphile-worker"), settings }, options());

async function left() {
  const { rows } = await pool.query("SELECT count(*)::int AS jobs FROM graphile_worker._private_jobs");
  return rows[0].jobs;
}

const utils = await makeWorkerUtils({ pgPool: pool, preset: { worker: { logger } } });
await utils.migrate();
await measured.enqueue((count) =>
  utils.addJobs(Array.from({ length: count }, () => ({ identifier: TASK, payload: payload() }))),
);
await pool.query("VACUUM (ANALYZE) graphile_worker._private_jobs");

let runner;
await measured.work({
  start: async (handled) => {
    runner = await run({ preset, taskList: { [TASK]: async () => handled() } });
  },
  stop: () => runner.stop(),
  left,
  // What is done is deleted; so it is counted by what is left.
  done: async () => measured.jobs - (await left()),
});
await utils.release();
await pool.end();
