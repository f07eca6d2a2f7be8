// What the peers on Node share: options, payloads, the two phases, and the lines that the driver reads.
// A line `{"mark": …}` is written when a phase begins and ends, one with figures after it.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

/** Producers that insert at once, each waiting for its call before the next. */
export const PRODUCERS = 4;
/** Jobs in one call. */
export const BATCH = 500;

const PAYLOAD_BYTES = 200;
const FRAME_BYTES = '{"data":""}'.length;
/** Time for the driver to read its counters after a mark. */
const COUNTERS_MS = 250;

/** The command line. */
export function options() {
  const { values } = parseArgs({
    options: {
      jobs: { type: "string", default: "200000" },
      seconds: { type: "string", default: "30" },
    },
  });
  return { jobs: Number(values.jobs), seconds: Number(values.seconds) };
}

/** A variable that must be set. */
export function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** A JSON object of 200 bytes that does not compress. */
export function payload() {
  const characters = PAYLOAD_BYTES - FRAME_BYTES;
  return { data: randomBytes(characters).toString("base64url").slice(0, characters) };
}

/** The version of an installed package. */
export function version(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")).version;
}

function write(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function mark(phase, edge) {
  write({ mark: edge, phase });
}

/** A peer's run: `peer` holds its name, version and settings. */
export class Run {
  constructor(peer, { jobs, seconds }) {
    this.peer = peer;
    this.jobs = jobs;
    this.seconds = seconds;
  }

  /** Inserts all jobs; `insert(count)` returns when so many are committed. */
  async enqueue(insert) {
    await pause(COUNTERS_MS);
    mark("enqueue", "begin");
    const began = performance.now();
    let left = this.jobs;
    const produce = async () => {
      while (left > 0) {
        const count = Math.min(BATCH, left);
        left -= count;
        await insert(count);
      }
    };
    await Promise.all(Array.from({ length: PRODUCERS }, produce));
    await this.#finish("enqueue", began, async () => this.jobs);
  }

  /**
   * Works until the backlog is gone or time is up.
   *
   * `start(handled)` starts workers, which call `handled` for each job; `stop()` ends them in order, so that what they
   * handled is durably done. `done()` counts what is. `left()` counts what is not: it spares the wait for the end of the
   * workers when the backlog is gone.
   */
  async work({ start, stop, left, done }) {
    let handled = 0;
    let began = 0;
    let finish;
    const ended = new Promise((resolve) => {
      finish = resolve;
    });
    await start(() => {
      if (handled === 0) {
        began = performance.now();
        mark("work", "begin");
        setTimeout(() => finish("time"), this.seconds * 1000).unref();
      }
      handled += 1;
      if (handled === this.jobs) finish("backlog");
    });
    if ((await ended) === "backlog" && left) {
      while ((await left()) > 0) await pause(2);
      await this.#finish("work", began, () => this.#checked(done, handled));
      await stop();
    } else {
      await stop();
      await this.#finish("work", began, () => this.#checked(done, handled));
    }
  }

  /** Jobs that the peer's own tables call done; they may not be more than were handled. */
  async #checked(done, handled) {
    const count = await done();
    if (count > handled) throw new Error(`${count} jobs are done, ${handled} were handled`);
    if (handled >= this.jobs && count !== this.jobs) throw new Error(`${count} of ${this.jobs} jobs are done`);
    return count;
  }

  async #finish(phase, began, count) {
    const seconds = (performance.now() - began) / 1000;
    mark(phase, "end");
    await pause(COUNTERS_MS);
    const jobs = await count();
    write({ ...this.peer, phase, jobs, seconds, jobs_per_second: jobs / seconds });
  }
}
