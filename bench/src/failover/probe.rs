//! The first grant on a shard after its replica's death: a claim is parked there before it, and a job is made after it,
//! of a type that no other worker takes.
//!
//! Calls are made by hand and repeated at once, so that what is measured is the server and no client's back-off.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use orch_bench::clock;
use orch_client::{Client, RawRequest};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::cluster::PROBE_TYPE;
use crate::failover::notes::Notes;

/// How long a claim waits for work.
const CLAIM_WAIT_MS: u64 = 10_000;
/// The pause before a call is repeated.
const AGAIN: Duration = Duration::from_millis(10);
/// A grant that takes longer fails the run.
const GRANT_MAX: Duration = Duration::from_secs(60);

/// A parked claim.
pub struct Probe {
    /// The shard.
    pub shard: u16,
    client: Client,
    claim: JoinHandle<Result<Granted>>,
}

/// A grant.
struct Granted {
    at: Instant,
    token: String,
    job: String,
}

impl Probe {
    /// Parks a claim of a worker of one tenant of that shard.
    pub fn park(shard: u16, client: Client) -> Self {
        let claim = tokio::spawn(claim(client.clone()));
        Self { shard, client, claim }
    }

    /// Makes a job and waits for its grant; returns how long after `since` that came. Then the job is ended.
    pub async fn first_grant(self, since: Instant, notes: &Notes) -> Result<Duration> {
        let body = json!({ "job_type": PROBE_TYPE, "payload": { "shard": self.shard } });
        let key = Uuid::now_v7().simple().to_string();
        let request = request("/jobs", &body).header("Idempotency-Key", &key);
        let made = insist(&self.client, &request).await.context("the probe's job")?;
        let job = text(&made, "id")?;
        let granted = tokio::time::timeout(GRANT_MAX, self.claim).await.context("no grant in time")???;
        ensure!(granted.job == job, "{} was granted, not the probe's job {job}", granted.job);
        notes.acknowledge([job.trim_start_matches("job_").parse::<Uuid>()?]);
        let body = json!({ "items": [{ "token": granted.token, "outcome": "succeeded" }] });
        let ended = insist(&self.client, &self::request("/worker/complete", &body)).await?;
        let taken = ended["items"][0]["status"] == "ok";
        notes.add_ends(u64::from(taken), u64::from(!taken));
        Ok(granted.at.saturating_duration_since(since))
    }
}

/// Announces a worker and claims until there is a lease.
async fn claim(client: Client) -> Result<Granted> {
    let boot = Uuid::now_v7().simple().to_string();
    let announcement = json!({
        "worker_id": "probe", "boot_id": boot, "job_types": [PROBE_TYPE], "capacity": 1, "sdk": orch_client::SDK,
    });
    let announcement = request("/worker/sessions", &announcement);
    let mut session = String::new();
    let mut claim_id = Uuid::now_v7();
    loop {
        if session.is_empty() {
            session = text(&insist(&client, &announcement).await?, "session")?;
        }
        let body = json!({
            "session": session, "claim_id": format!("clm_{}", claim_id.simple()), "max": 1, "wait_ms": CLAIM_WAIT_MS,
        });
        match call(&client, &request("/worker/claim", &body)).await? {
            Called::Answer(answer) => match answer["leases"].get(0) {
                Some(lease) => {
                    return Ok(Granted { at: clock::now(), token: text(lease, "token")?, job: text(lease, "job")? });
                }
                None => claim_id = Uuid::now_v7(),
            },
            Called::Unknown => session.clear(),
            Called::Later => clock::pause(AGAIN).await,
        }
    }
}

/// What a call came to.
enum Called {
    Answer(Value),
    /// The session is not known, because the shard has another owner.
    Unknown,
    /// It may go well later.
    Later,
}

async fn call(client: &Client, request: &RawRequest) -> Result<Called> {
    let answer = match client.raw(request).await {
        Ok(answer) => answer,
        Err(error) if error.is_retryable() => return Ok(Called::Later),
        Err(error) => return Err(error.into()),
    };
    match answer.problem {
        None => Ok(Called::Answer(serde_json::from_slice(&answer.body)?)),
        Some(problem) if problem.code == "unknown_session" => Ok(Called::Unknown),
        Some(problem) if problem.retryable => Ok(Called::Later),
        Some(problem) => Err(problem.into()),
    }
}

/// Repeats a call that may be repeated until it is answered.
async fn insist(client: &Client, request: &RawRequest) -> Result<Value> {
    let began = clock::now();
    while began.elapsed() < GRANT_MAX {
        match call(client, request).await? {
            Called::Answer(answer) => return Ok(answer),
            Called::Unknown | Called::Later => clock::pause(AGAIN).await,
        }
    }
    bail!("no answer within {} s", GRANT_MAX.as_secs());
}

fn request(path: &str, body: &Value) -> RawRequest {
    RawRequest::new("POST", path).body(body.to_string(), "application/json")
}

fn text(answer: &Value, name: &str) -> Result<String> {
    Ok(answer[name].as_str().with_context(|| format!("no `{name}` in {answer}"))?.to_owned())
}
