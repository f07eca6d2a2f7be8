"""What Schemathesis cannot know of this API: a world to act in, and which refusals depend on that world.

Loaded through SCHEMATHESIS_HOOKS with ORCH_ADDRESS and ORCH_TOKEN in the environment.
Two rules set built-in checks aside, each by the code that the server gives, never by operation alone; both say why.
"""

import hashlib
import itertools
import os
import re
import threading
from datetime import datetime, timedelta, timezone

import requests
import schemathesis

BASE = os.environ["ORCH_ADDRESS"].rstrip("/") + "/api/v1/orchestrator"
HEADERS = {"Authorization": "Bearer " + os.environ["ORCH_TOKEN"]}

# Refusals that no schema can foretell: they depend on what is in the ledger, on the clock, or on two members together.
STATE_CODES = {
    "completion_conflict",  # the attempt has ended otherwise
    "dependency_cycle",  # two jobs of a batch name each other
    "digest_mismatch",  # the path must be the digest of the body
    "filter_too_wide",  # a query that no index narrows
    "forbidden",  # the token's own scopes bound what it may hand on
    "id_conflict",  # the id is in use
    "idempotency_mismatch",  # the key was used for something else
    "invalid_cursor",  # a cursor is opaque: only the server makes them
    "not_found",
    "stale_lease",
    "state_conflict",
    "tenant_deleting",  # somebody marked the tenant
    "time_out_of_range",  # a moment is judged by the clock
    "unknown_dependency",
    "unknown_job_type",
    "unknown_project",
    "unknown_session",
    "unknown_source",
    "version_conflict",  # If-Match names another version
    "version_required",  # it exists, so If-Match is needed
}

# Rules over two members at once, which the document states in words.
RELATIONS = [
    ("limit_exceeded", re.compile(r"^backoff_ms_max$")),  # not below `backoff_ms`
    ("limit_exceeded", re.compile(r"^open_ms_max$")),  # not below `open_ms`
    ("invalid_field", re.compile(r"^(host|job_type)$")),  # a breaker names exactly one of the two
    ("limit_exceeded", re.compile(r"^terms\[\d+\]\.burst$")),  # not above `limit`
    ("invalid_field", re.compile(r"^in_flight_max$")),  # not for the platform's buckets
    ("limit_exceeded", re.compile(r"^(burst|reserved)$")),  # not above `per_hour_max`, `active_max`
    ("invalid_field", re.compile(r"^(burst|reserved|priority|weight|active_max)$")),  # a quota says something, and means it; so does a share
    ("invalid_field", re.compile(r"^calendar(\.|$)")),  # a rule that makes sense, and comes
    ("invalid_field", re.compile(r"^timetable(\.|$)")),  # one rule that makes sense, and comes
    ("invalid_field", re.compile(r"(^|\.)to$")),  # a range ends behind `from`
    ("invalid_field", re.compile(r"(^|\.)steps(\[\d+\].*)?$")),  # names that are there, once each, and one kind a step
    ("invalid_field", re.compile(r"(^|\.)(job|run|graph|definition|inputs)(\..*)?$")),  # one of `job` and `run`, and inputs that its graph uses
    ("limit_exceeded", re.compile(r"(^|\.)(window_ms|steps)$")),  # no more windows, or jobs, than may be
    ("invalid_field", re.compile(r"^step$")),  # a repair from a step names it, and no other does
    ("invalid_field", re.compile(r"^declare\[\d+\]\.")),  # as the call that declares it
    ("limit_exceeded", re.compile(r"^declare\[\d+\]\.")),  # the same
    ("invalid_field", re.compile(r"^name$")),  # the name in the path
    ("invalid_field", re.compile(r"^ends_at$")),  # behind `starts_at`
    ("limit_exceeded", re.compile(r"^catch_up_ms$")),  # with `fire_all`, no more than may be made good for at once
    ("invalid_field", re.compile(r"^until$")),  # a throttle ends later than now
    ("limit_exceeded", re.compile(r"^until$")),  # and at most seven days from now
    ("invalid_field", re.compile(r"^lead_ms$")),  # only where it drains
    ("invalid_field", re.compile(r"^concurrency_per_key_strategy$")),  # other than `queue` it needs the limit
    ("invalid_field", re.compile(r"^concurrency_key_pointer$")),  # not where `payload_schema` lets nothing be
    ("limit_exceeded", re.compile(r"^connector\.rate\.burst$")),  # not above `requests_per_minute`
    ("invalid_field", re.compile(r"^idempotency_key$")),  # not another key than the header's
    ("invalid_field", re.compile(r"^(low|(holes|repairs)\[\d+\])$")),  # a watermark's parts lie between its ends
    ("invalid_field", re.compile(r"(^|\.)depends_on\[\d+\]\.job$")),  # no parent twice, whatever its `on`
]

# What is in a language of its own, or in another document, is more than a pattern can say.
RELATIONS += [
    ("invalid_field", re.compile(r"^query$")),
    ("invalid_field", re.compile(r"^payload_schema$")),
    ("invalid_field", re.compile(r"^connector\.schedule\.time_zone$")),  # zones are named in a database of their own
    ("invalid_field", re.compile(r"^(state|job_type|source)$")),  # in the query and beside it
]

# What is put under a name that the body may repeat.
REPEATS_ITS_NAME = {
    f"put_{kind}" for kind in ("source", "job_type", "project", "bucket", "quota", "breaker", "blackout", "schedule")
}

# The same of documents that declare things, each under its place in the call.
DOCUMENT = re.compile(r"^documents\[\d+\]\.")
RELATIONS += [
    ("invalid_field", re.compile(r"^documents\[\d+\]\.name$")),  # no two documents declare the same
    ("invalid_field", re.compile(r"^connector\.id$")),  # kept for life, and nobody else's
]

PROBLEM_MEMBERS = {"type", "title", "status", "code", "detail", "retryable", "request_id", "errors"}


class World:
    """Real things that generated calls can name: jobs, leases, dead letters, a session."""

    def __init__(self):
        self.lock = threading.Lock()
        self.http = requests.Session()
        self.http.headers.update(HEADERS)
        self.turns = itertools.count()
        self.ids = itertools.count(1)
        self.leases = []
        self.dead = []
        self.session = None
        self.job_type = "feeds.fetch"

    def call(self, method, path, body):
        answer = self.http.request(method, BASE + path, json=body, timeout=10)
        if answer.status_code >= 500:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def prepare(self):
        for name in ("feeds.fetch", "feeds.parse"):
            self.call("POST", "/job-types", {"name": name, "lease_ms": 3_600_000, "tries_max": 1, "backoff_ms": 1})
        self.call("POST", "/sources", {"name": "kev", "kind": "kev", "labels": {"feed": "kev"}})
        self.call("POST", "/projects", {"name": "intake"})
        body = b"test"
        digest = hashlib.sha256(body).hexdigest()
        self.http.put(f"{BASE}/artifacts/{digest}", data=body, headers={"Content-Type": "text/plain"}, timeout=10)
        self.announce()
        self.call("POST", "/jobs", {"id": "job_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f", "job_type": "feeds.parse"})
        error = {"code": "broken", "message": "on purpose", "retryable": False}
        for _ in range(20):
            lease = self.lease()
            self.call("POST", "/worker/complete", {"items": [{"token": lease["token"], "outcome": "failed", "error": error}]})
            self.dead.append(lease["job"])

    def announce(self):
        # Another boot each time: the same one would stay drained.
        boot = f"{next(self.ids):08x}"
        worker = {"worker_id": "feeds-1", "boot_id": boot, "job_types": [self.job_type], "capacity": 1000}
        self.session = self.call("POST", "/worker/sessions", worker)["session"]

    def claim_id(self):
        return f"clm_0198f0c2b7a07c3e8d9f{next(self.ids):012x}"

    def open_up(self):
        """Generated calls may have drained the session, paused the work, or bounded its type: none of it stays."""
        for pause in self.call("GET", "/pauses", None)["items"]:
            self.call("POST", "/pauses/resume", {"target": pause["target"]})
        self.job_type = f"world.n{next(self.ids)}"
        self.call("POST", "/job-types", {"name": self.job_type, "lease_ms": 3_600_000, "tries_max": 1})
        self.announce()

    def lease(self):
        """A lease that nobody else was given."""
        for _ in range(3):
            if self.leases:
                break
            jobs = [{"job_type": self.job_type, "priority": "high", "payload": {"n": n}} for n in range(20)]
            self.call("POST", "/jobs/batch", {"jobs": jobs})
            claim = {"session": self.session, "claim_id": self.claim_id(), "max": 20}
            self.leases = self.call("POST", "/worker/claim", claim).get("leases")
            if not self.leases:
                self.open_up()
        if not self.leases:
            raise RuntimeError("the world gives no lease any more")
        return self.leases.pop()


WORLD = World()
WORLD.prepare()


def soon():
    return (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ground_job(job, turn):
    """Gives a generated job a type, project and source that exist; every fourth keeps its own."""
    if not isinstance(job, dict) or turn % 4 == 0:
        return
    job["job_type"] = "feeds.parse"
    if job.get("project") is not None:
        job["project"] = "intake"
    if job.get("source") is not None:
        job["source"] = "kev"
    for moment in ("not_before", "deadline"):
        if job.get(moment) is not None:
            job[moment] = soon()
    if job.get("depends_on"):
        job["depends_on"] = [{"job": "job_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f", "on": "done"}]


def ground_body(name, body, turn):
    if name in ("create_job",):
        ground_job(body, turn)
    for member in ("jobs", "follow_ups"):
        for job in body.get(member) or ():
            ground_job(job, turn)
    if name in ("create_quota", "put_quota"):
        body["job_type"] = "nothing.of.the.world"
    if name in ("create_blackout", "put_blackout"):
        # What the world needs is never held.
        body["job_type"] = "nothing.of.the.world"
        if turn % 4 and isinstance(body.get("calendar"), dict):
            body["calendar"] = {"cron": "0 2 * * SUN", "duration_ms": 3_600_000, "zone": "Europe/Athens"}
    if name in ("create_schedule", "put_schedule"):
        # It does not come while the world is looked at.
        if turn % 4 and isinstance(body.get("timetable"), dict):
            body["timetable"] = {"cron": "0 2 29 2 *", "zone": "Europe/Athens"}
        if isinstance(body.get("job"), dict):
            body["job"].update(job_type="feeds.parse", project=None, source=None)
    if turn % 4 == 0:
        return
    if "session" in body:
        body["session"] = WORLD.session
    if name == "claim_leases":
        body["claim_id"] = WORLD.claim_id()
        body["job_types"] = ["feeds.parse"]
    if name in ("complete_leases", "heartbeat_leases"):
        for item in (body.get("items") or body.get("leases") or ())[:1]:
            item["token"] = WORLD.lease()["token"]
            for job in item.get("follow_ups") or ():
                ground_job(job, turn)
    elif "tokens" in body:
        body["tokens"][:1] = [WORLD.lease()["token"]]
    elif "token" in body:
        body["token"] = WORLD.lease()["token"]


def ground_path(name, case, turn):
    path = case.path_parameters
    if name == "put_artifact" and isinstance(case.body, bytes):
        path["sha256"] = hashlib.sha256(case.body).hexdigest()
    elif name == "get_artifact":
        path["sha256"] = hashlib.sha256(b"test").hexdigest()
    elif "axis" in path:
        path["source"] = "kev"
    elif "job" in path:
        path["job"] = WORLD.dead[turn % len(WORLD.dead)]
    elif name in ("delete_tenant", "restore_tenant", "allot_tenant"):
        path["name"] = "scratch"  # never the tenant that the run works in
    elif "id" in path:
        path["id"] = (WORLD.dead + ["job_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f"])[turn % (len(WORLD.dead) + 1)]


def whole(value):
    """JSON Schema takes 1.0 for an integer; the document says in words that such a number has no fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [whole(one) for one in value]
    if isinstance(value, dict):
        return {key: whole(one) for key, one in value.items()}
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    name = case.operation.definition.raw.get("operationId")
    body = case.body if isinstance(case.body, dict) else None
    if name == "claim_leases" and body is not None and isinstance(body.get("wait_ms"), int):
        # The long poll is measured elsewhere; here it would eat the whole time.
        if 20 < body["wait_ms"] <= 30_000:
            body["wait_ms"] = 20
    if name in ("delete_tenant", "allot_tenant") and (case.path_parameters or {}).get("name") == "default":
        # Whoever found the name in an answer: never the tenant that the run works in.
        case.path_parameters["name"] = "scratch"
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive:
        return
    case.body = whole(case.body)
    body = case.body if isinstance(case.body, dict) else None
    with WORLD.lock:
        turn = next(WORLD.turns)
        if meta.phase.name.value != "stateful" and turn % 4 != 0:
            ground_path(name, case, turn)
        if body is not None:
            ground_body(name, body, turn)
    if name in REPEATS_ITS_NAME and body is not None and "name" in body:
        # The body may repeat the name in the path, and must not differ from it.
        body["name"] = case.path_parameters["name"]
    if name == "apply" and body is not None:
        # What the world stands on keeps its names and policies.
        for document in body.get("documents") or ():
            if isinstance(document, dict) and str(document.get("name")).startswith(("feeds.", "world.", "kev", "intake")):
                document["name"] = f"applied.{turn}"
    if turn % 2 and case.query.get("cursor") is not None:
        del case.query["cursor"]


def problem_of(response):
    if not (response.headers.get("content-type") or [""])[0].startswith("application/problem+json"):
        return None
    try:
        problem = response.json()
    except ValueError:
        return None
    return problem if isinstance(problem, dict) else None


def depends_on_state(problem):
    named = [(error["code"], error["field"]) for error in problem["errors"]] or [(problem["code"], "")]
    forms = lambda field: (field, DOCUMENT.sub("", field))
    related = lambda code, field: any(
        code == wanted and any(form.search(text) for text in forms(field)) for wanted, form in RELATIONS
    )
    return all(code in STATE_CODES or related(code, field) for code, field in named)


def refused_per_item(response):
    """Reports are answered one by one: a bad one is refused in its place and the call is answered 200."""
    items = response.json().get("items", []) if response.status_code == 200 else []
    return any(item.get("status") == "refused" or item.get("answer") == "lost" or "code" in item for item in items)


def left_out(case, response):
    """Generation of a bad body may end in none at all, which is a good request where the body is optional."""
    declared = case.operation.definition.raw.get("requestBody", {})
    others_good = all(part.mode.is_positive for where, part in case.meta.components.items() if where.name != "BODY")
    return others_good and not declared.get("required", False) and not response.request.body


@schemathesis.hook
def filter_failure(context, failure, case, response):
    kind = type(failure).__name__
    if kind == "RejectedPositiveData":
        problem = problem_of(response)
        return problem is None or not depends_on_state(problem)
    if kind == "AcceptedNegativeData":
        name = case.operation.definition.raw.get("operationId")
        by_item = name in ("ack_leases", "release_leases", "heartbeat_leases", "complete_leases")
        return not (by_item and refused_per_item(response)) and not left_out(case, response)
    return True


@schemathesis.check
def errors_are_problems(ctx, response, case):
    """Every answer from 400 on is problem+json with all of its members, and none is 5xx."""
    status = response.status_code
    assert status < 500, f"{status} is a server error"
    if status < 400:
        return
    kind = (response.headers.get("content-type") or [""])[0]
    assert kind == "application/problem+json", f"{status} came as {kind!r}"
    assert response.headers.get("x-request-id"), f"{status} came without X-Request-Id"
    if response.request.method == "HEAD":
        return
    problem = response.json()
    assert set(problem) == PROBLEM_MEMBERS, f"members are {sorted(problem)}"
    assert problem["status"] == status, f"`status` is {problem['status']} in an answer {status}"
    assert problem["type"] == "urn:orch:error:" + problem["code"], f"`type` is {problem['type']}"
    assert problem["request_id"] == response.headers["x-request-id"][0], "`request_id` is not the header's"
    if status in (429, 503):
        assert response.headers.get("retry-after"), f"{status} came without Retry-After"
