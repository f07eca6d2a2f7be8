// One job's life through a client whose every type comes from the OpenAPI document.
// It knows nothing of the API that the document does not say; ORCH_ADDRESS and ORCH_TOKEN say where the server is.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";

import type { components, paths } from "../generated/orchestrator.js";

type Problem = components["schemas"]["Problem"];
type Answer<Data> = { data?: Data; error?: Problem; response: Response };

const api = createClient<paths>({
  baseUrl: required("ORCH_ADDRESS"),
  headers: { Authorization: `Bearer ${required("ORCH_TOKEN")}` },
});

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set`);
  return value;
}

/** The answer's body, with a problem thrown by its code. */
function good<Data>({ data, error, response }: Answer<Data>): Data {
  if (error !== undefined) throw new Error(`${response.status} ${error.code}: ${error.detail}`);
  assert(data !== undefined, `${response.status} without a body`);
  return data;
}

/** The only item of a list. */
function only<Item>(items: readonly Item[]): Item {
  const [item] = items;
  assert(item !== undefined && items.length === 1, `one item was expected, not ${items.length}`);
  return item;
}

/** 32 hexadecimal digits of a UUIDv7, as ids of a caller's making have them. */
function digits(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const at = BigInt(Date.now());
  for (let n = 0; n < 6; n += 1) bytes[n] = Number((at >> BigInt(40 - 8 * n)) & 0xffn);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return Buffer.from(bytes).toString("hex");
}

const job_type = "story.typescript";
const base = "/api/v1/orchestrator";

const declared = good(await api.POST(`${base}/job-types`, { body: { name: job_type, tries_max: 2, lease_ms: 30_000 } }));
assert.equal(declared.version, 1);

const created = good(
  await api.POST(`${base}/jobs`, {
    params: { header: { "Idempotency-Key": `story/${digits()}` } },
    body: { job_type, payload: { path: "a.json" }, labels: { feed: "kev" } },
  }),
);
assert.equal(created.state, "ready");
assert.equal(created.replayed, false);

const { session } = good(
  await api.POST(`${base}/worker/sessions`, {
    body: { worker_id: "typescript", boot_id: digits(), job_types: [job_type], capacity: 1, sdk: "openapi-fetch" },
  }),
);

const claimed = good(
  await api.POST(`${base}/worker/claim`, {
    body: { session, claim_id: `clm_${digits()}`, max: 1, wait_ms: 5_000, auto_ack: true },
  }),
);
const lease = only(claimed.leases);
assert.equal(lease.job, created.id);
assert.deepEqual(lease.payload, { path: "a.json" });

const beaten = good(
  await api.POST(`${base}/worker/heartbeat`, {
    body: { session, leases: [{ token: lease.token, progress: { percent: 50, message: "half" } }] },
  }),
);
assert.equal(only(beaten.items).answer, "continue");

const completed = good(
  await api.POST(`${base}/worker/complete`, {
    body: { items: [{ token: lease.token, outcome: "succeeded", result: { documents: 3 } }] },
  }),
);
assert.equal(only(completed.items).status, "ok");

const read = good(await api.GET(`${base}/jobs/{id}`, { params: { path: { id: created.id }, query: { payload: true } } }));
assert.equal(read.state, "succeeded");
assert.deepEqual(read.result, { documents: 3 });
assert.equal(read.tries, 1);

const listed = good(
  await api.GET(`${base}/jobs`, {
    params: { query: { state: ["succeeded", "failed"], job_type: [job_type], label: ["feed:kev"], limit: 10 } },
  }),
);
assert.equal(only(listed.items).id, created.id);

const refused: Answer<unknown> = await api.POST(`${base}/jobs`, { body: { job_type: "story.unknown" } });
const problem: Problem | undefined = refused.error;
assert(problem !== undefined, "an unknown job type was accepted");
assert.equal(refused.response.headers.get("content-type"), "application/problem+json");
assert.equal(problem.status, 422);
assert.equal(problem.code, "unknown_job_type");
assert.equal(problem.retryable, false);
assert.equal(only(problem.errors).field, "job_type");

console.log(`job ${read.id} ${read.state}; a bad one was refused as ${problem.code}`);
