//! The load: submitters, workers and an operator of our own over plain HTTP, each call recorded.

pub mod caller;
pub mod hands;
pub mod operator;
pub mod submitter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use xtask::chance::Chance;
use xtask::clock::pause;

use crate::record::{Outcome, Recorder};
use caller::Caller;

/// The lease length of all job types here.
pub const LEASE_MS: u64 = 3_000;

/// Job types that our own recorded workers serve.
pub const SERVED: [&str; 5] = ["chaos.quick", "chaos.slot", "chaos.brittle", "chaos.halt", "chaos.child"];

/// Whom to call.
#[derive(Debug, Clone)]
pub struct Access {
    /// All addresses; any may be the owner.
    pub addresses: Vec<String>,
    /// The tenant's token.
    pub token: String,
}

/// When which threads end.
#[derive(Debug, Default)]
pub struct Signals {
    /// Submitters and operator end.
    pub no_more_work: AtomicBool,
    /// Workers end.
    pub drained: AtomicBool,
}

/// The running threads.
#[derive(Debug)]
pub struct Load {
    signals: Arc<Signals>,
    submitters: Vec<JoinHandle<Result<()>>>,
    workers: Vec<JoinHandle<Result<()>>>,
}

/// Declares the job types.
///
/// # Errors
/// The server does not take one.
pub fn declare(caller: &mut Caller) -> Result<()> {
    let policy = |name: &str, more: Value| {
        let mut doc = json!({
            "name": name, "lease_ms": LEASE_MS, "lost_max": 1_000, "tries_max": 5, "backoff_ms": 100, "backoff_ms_max": 500,
            "cancel_grace_ms": 2_000,
        });
        for (member, value) in more.as_object().into_iter().flatten() {
            doc[member] = value.clone();
        }
        doc
    };
    let docs = [
        policy("chaos.quick", json!({})),
        policy("chaos.slot", json!({"concurrency_max": 2})),
        policy("chaos.brittle", json!({"tries_max": 2})),
        policy("chaos.halt", json!({})),
        policy("chaos.child", json!({})),
        policy("chaos.bad.abort", json!({"lost_max": 2})),
        policy("chaos.bad.burn", json!({})),
        policy("chaos.bad.leak", json!({"lost_max": 2})),
    ];
    for doc in docs {
        let outcome = caller.insist("declare", "POST", "/job-types", None, &doc, || false)?;
        if let Outcome::Refused { status, code } = &outcome
            && *status != 409
        {
            return Err(anyhow!("job type {} was refused: {status} {code}", doc["name"]));
        }
    }
    Ok(())
}

impl Load {
    /// Starts two submitters, an operator and three workers.
    #[must_use]
    pub fn start(access: &Access, recorder: &Arc<Recorder>, seed: u64) -> Self {
        let signals = Arc::new(Signals::default());
        let caller = |who: String| Caller::new(access.clone(), Arc::clone(recorder), who);
        let mut submitters = Vec::new();
        for number in 0..2 {
            let (caller, signals) = (caller(format!("submitter-{number}")), Arc::clone(&signals));
            let chance = Chance::seeded(seed.wrapping_add(100 + number));
            submitters.push(std::thread::spawn(move || {
                submitter::Submitter::new(caller, chance, number).run(&signals.no_more_work)
            }));
        }
        let (operator, shared) = (caller("operator".to_owned()), Arc::clone(&signals));
        submitters.push(std::thread::spawn(move || operator::run(operator, &shared.no_more_work)));
        let mut workers = Vec::new();
        for number in 0..3 {
            let (caller, signals) = (caller(format!("worker-{number}")), Arc::clone(&signals));
            let chance = Chance::seeded(seed.wrapping_add(200 + number));
            workers.push(std::thread::spawn(move || hands::Hands::new(caller, chance, number).run(&signals.drained)));
        }
        Self { signals, submitters, workers }
    }

    /// Ends the submitters; each first gets an answer for what it began.
    ///
    /// # Errors
    /// One met what must not happen.
    pub fn end_submitters(&mut self) -> Result<()> {
        self.signals.no_more_work.store(true, Ordering::SeqCst);
        join(&mut self.submitters)
    }

    /// Ends the workers.
    ///
    /// # Errors
    /// One met what must not happen.
    pub fn end_workers(&mut self) -> Result<()> {
        self.signals.drained.store(true, Ordering::SeqCst);
        join(&mut self.workers)
    }
}

fn join(threads: &mut Vec<JoinHandle<Result<()>>>) -> Result<()> {
    let mut first = Ok(());
    for thread in threads.drain(..) {
        let ended = thread.join().unwrap_or_else(|_| Err(anyhow!("a thread of the load panicked")));
        first = first.and(ended);
    }
    first
}

/// Waits until the server says that no job is open. False when that takes longer than `limit`.
///
/// # Errors
/// The log cannot be written.
pub fn drained(caller: &mut Caller, limit: Duration) -> Result<bool> {
    let watch = xtask::clock::Stopwatch::start();
    while watch.elapsed() < limit {
        if let Outcome::Ok { answer, .. } = caller.call("summary", "GET", "/jobs/summary", None, &Value::Null)? {
            let open = answer["open"].as_object().into_iter().flatten();
            if open.map(|(_, jobs)| jobs.as_u64().unwrap_or(1)).sum::<u64>() == 0 {
                return Ok(true);
            }
        }
        pause(Duration::from_millis(300));
    }
    Ok(false)
}
