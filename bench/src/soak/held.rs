//! Jobs that wait in a paused lane: laid in, and taken out one claim after another, so that their order is seen.

use anyhow::{Context as _, Result, ensure};
use orch_client::{Client, JobIn, PauseTarget, RawRequest};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::job::HELD_TYPE;

/// Jobs in one call.
const BATCH: usize = 500;

/// The payload of one; blanks and order of members are its own.
fn payload(number: usize) -> String {
    format!("{{ \"z\": {number},  \"a\": \"held {number:>8}\" }}")
}

/// Accepts so many.
pub async fn lay(client: &Client, count: usize) -> Result<()> {
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(BATCH) {
        let mut jobs = Vec::with_capacity(batch.len());
        for number in batch {
            let text = payload(*number);
            jobs.push(JobIn::new(HELD_TYPE, serde_json::from_str::<&RawValue>(&text)?)?);
        }
        client.jobs().create_batch(&jobs, None).await?;
    }
    Ok(())
}

/// Lets them go on, and takes them out: each once, in their order, byte for byte.
pub async fn take(client: &Client, count: usize) -> Result<()> {
    let session = json!({
        "worker_id": "soak-held", "boot_id": Uuid::now_v7().simple().to_string(), "job_types": [HELD_TYPE],
        "capacity": BATCH,
    });
    let session = post(client, "/worker/sessions", &session).await?;
    let session: Value = serde_json::from_str(&session)?;
    client.resume(&PauseTarget::JobType(HELD_TYPE.to_owned()), None).await?;
    let mut next = 0;
    while next < count {
        let claim = json!({
            "session": session["session"], "claim_id": format!("clm_{}", Uuid::now_v7().simple()), "max": BATCH,
            "wait_ms": 5_000,
        });
        let answer = post(client, "/worker/claim", &claim).await?;
        let claimed: Claimed<'_> = serde_json::from_str(&answer)?;
        ensure!(!claimed.leases.is_empty(), "{next} of {count} came, and then none");
        for lease in &claimed.leases {
            let (came, expected) = (lease.payload.get(), payload(next));
            ensure!(came == expected, "`{came}` came where `{expected}` was to");
            next += 1;
        }
        let items: Vec<Value> =
            claimed.leases.iter().map(|lease| json!({ "token": lease.token, "outcome": "succeeded" })).collect();
        post(client, "/worker/complete", &json!({ "items": items })).await?;
    }
    ensure!(next == count, "{next} came, and {count} went in");
    Ok(())
}

#[derive(serde::Deserialize)]
struct Claimed<'a> {
    #[serde(borrow)]
    leases: Vec<Lease<'a>>,
}

#[derive(serde::Deserialize)]
struct Lease<'a> {
    token: String,
    #[serde(borrow)]
    payload: &'a RawValue,
}

async fn post(client: &Client, path: &str, body: &Value) -> Result<String> {
    let request = RawRequest::new("POST", path).body(body.to_string(), "application/json");
    let answer = client.raw(&request).await?;
    let text = String::from_utf8(answer.body.to_vec()).context("the answer is text")?;
    ensure!(answer.status < 300, "{path}: {} {text}", answer.status);
    Ok(text)
}
