//! What is supposed in a simulation, and what it comes to. The call is in `simulations`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backfill::BackfillIn;
use crate::id::RunId;

/// What is supposed. An empty one asks how things go on as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Simulation {
    /// Documents that declare things, as `apply` takes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub declare: Vec<Value>,
    /// A backfill that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<BackfillIn>,
    /// Workers that come in addition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<SupposedWorkers>,
    /// What is waited for; `None`: the end of the backfill if there is one, else that nothing waits or is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<SimulateUntil>,
    /// It ends then at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizon_ms: Option<u64>,
    /// How often it is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// Another number is other chance.
    pub seed: u64,
}

/// Workers that are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SupposedWorkers {
    /// How many.
    pub count: u32,
    /// How many jobs each takes at the same time.
    pub capacity: u32,
    /// What they do.
    pub job_types: Vec<String>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SimulateUntil {
    /// The end of this run.
    pub run: RunId,
}

/// What would happen, with what is supposed and without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulated {
    /// The moment from which it was worked out.
    pub now: Timestamp,
    /// With it.
    pub with: SimulatedOutcome,
    /// As things are.
    pub without: SimulatedOutcome,
}

/// What would happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SimulatedOutcome {
    /// When what is waited for would be there.
    pub ends: Ends,
    /// Attempts that would begin until then.
    pub attempts: u64,
    /// How long jobs would wait.
    pub waits: Waits,
    /// What would hold work back, longest first.
    pub held: Vec<Held>,
    /// Not all of it was tried: the rest was taken to go on like what was.
    pub in_proportion: bool,
    /// Job types of which nothing has ended yet: how long they take is a guess.
    pub unknown: Vec<String>,
}

/// By when a share of the tries ended; `None`: as things are, it does not in the time that was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ends {
    /// One of twenty.
    pub p5: Option<Timestamp>,
    /// Half of them.
    pub p50: Option<Timestamp>,
    /// Nineteen of twenty.
    pub p95: Option<Timestamp>,
}

/// How long jobs would wait from when they could start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waits {
    /// Jobs of priority `backfill`.
    pub backfill: Wait,
    /// The tenant's others.
    pub others: Wait,
}

/// How long jobs of a kind would wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wait {
    /// Jobs.
    pub jobs: u64,
    /// Half of them wait no longer.
    pub p50_ms: u64,
    /// Nineteen of twenty do not.
    pub p95_ms: u64,
}

/// What would hold work back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which gate: `bucket`, `concurrency`, … More may come.
    pub gate: String,
    /// Of which host or job type.
    pub of: String,
    /// Milliseconds in which something waited for it.
    pub ms: u64,
}
