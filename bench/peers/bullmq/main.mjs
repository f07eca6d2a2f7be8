// BullMQ on a durable Redis: https://docs.bullmq.io/guide/going-to-production
// One process; a concurrency of 50 or 500 made no difference beyond 10 %.
// How often that Redis flushes is its own setting, and part of the peer's name in the report.

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

import { BATCH, PRODUCERS, Run, options, payload, required, version } from "./measure.mjs";

const QUEUE = "noop";
const worker = { concurrency: 100 };

const connection = new Redis(required("REDIS_URL"), { maxRetriesPerRequest: null });
const queue = new Queue(QUEUE, { connection });
const [, appendfsync] = await connection.config("GET", "appendfsync");
const settings = { ...worker, appendfsync, insert: "addBulk", batch: BATCH, producers: PRODUCERS };
const peer = `bullmq-${appendfsync}`;
const measured = new Run({ peer, version: version("bullmq"), settings }, options());

await queue.waitUntilReady();
await measured.enqueue((count) =>
  queue.addBulk(Array.from({ length: count }, () => ({ name: "noop", data: payload() }))),
);

let workers;
await measured.work({
  start: async (handled) => {
    workers = new Worker(QUEUE, async () => handled(), { connection, ...worker });
    workers.on("error", (error) => console.error(error));
  },
  stop: () => workers.close(),
  left: async () => {
    const counts = await queue.getJobCounts("waiting", "active");
    return counts.waiting + counts.active;
  },
  done: () => queue.getCompletedCount(),
});
await queue.close();
connection.disconnect();
