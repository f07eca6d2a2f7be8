//! One attempt in our hands: its lease, its signals, and what waits to ride on a heartbeat or in a log call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::backfill::WindowOf;
use crate::clock;
use crate::id::JobId;
use crate::job::{Priority, Progress};
use crate::run::RunPart;
use crate::schedule::Firing;
use crate::watermark::WatermarkHead;
use crate::worker::signal::Signal;
use crate::worker::wire::{Lease, LogLine};

/// Lines that are kept while the server cannot take them; the oldest go first.
const LINES_KEPT_MAX: usize = 10_000;

/// What is fixed about a lease.
#[derive(Debug)]
pub struct Grant {
    pub token: Arc<str>,
    pub job: JobId,
    pub attempt: u32,
    pub lease_ms: u64,
    /// The handler begins then and not before: a bucket counts its first request there.
    pub hold_until: Option<Instant>,
    /// The handler does not begin later: the attempt is given back.
    pub leave_by: Option<Instant>,
    pub idempotency_key: String,
    pub job_type: String,
    pub project: String,
    pub source: Option<String>,
    pub priority: Priority,
    pub tenant: String,
    pub correlation_id: Option<String>,
    pub firing: Option<Firing>,
    pub run: Option<RunPart>,
    pub window: Option<WindowOf>,
    pub labels: BTreeMap<String, String>,
    pub checkpoint: Option<Box<RawValue>>,
    pub watermarks: BTreeMap<String, WatermarkHead>,
}

/// What rides on the next heartbeat.
#[derive(Debug, Default)]
pub struct Unsent {
    pub progress: Option<Progress>,
    pub checkpoint: Option<Box<RawValue>>,
}

/// Lines that wait to be sent.
#[derive(Debug, Default)]
struct Lines {
    lines: Vec<LogLine>,
    /// The sender of logs knows of this attempt.
    announced: bool,
}

/// One attempt.
#[derive(Debug)]
pub struct Attempt {
    pub grant: Grant,
    /// A cancel was asked for.
    pub canceled: Signal,
    /// The lease is not ours any more.
    pub lost: Signal,
    unsent: Mutex<Unsent>,
    lines: Mutex<Lines>,
    has_lines: AtomicBool,
    /// Held while lines are being sent, so that they arrive in order.
    pub sending_lines: tokio::sync::Mutex<()>,
}

impl Attempt {
    /// From a lease; the payload goes its own way.
    pub fn new(lease: Lease) -> (Arc<Self>, Box<RawValue>) {
        let (payload, now) = (lease.payload, clock::now());
        let grant = Grant {
            token: lease.token,
            job: lease.job,
            attempt: lease.attempt,
            lease_ms: lease.lease_ms,
            hold_until: (lease.hold_ms > 0).then(|| now + Duration::from_millis(lease.hold_ms)),
            leave_by: lease.leave_ms.map(|ms| now + Duration::from_millis(ms)),
            idempotency_key: lease.idempotency_key,
            job_type: lease.job_type,
            project: lease.project,
            source: lease.source,
            priority: lease.priority,
            tenant: lease.tenant,
            correlation_id: lease.correlation_id,
            firing: lease.firing,
            run: lease.run,
            window: lease.window,
            labels: lease.labels,
            checkpoint: lease.checkpoint,
            watermarks: lease.watermarks,
        };
        let attempt = Self {
            grant,
            canceled: Signal::default(),
            lost: Signal::default(),
            unsent: Mutex::default(),
            lines: Mutex::default(),
            has_lines: AtomicBool::new(false),
            sending_lines: tokio::sync::Mutex::default(),
        };
        (Arc::new(attempt), payload)
    }

    /// Keeps progress for the next heartbeat; a later one replaces it.
    pub fn set_progress(&self, progress: Progress) {
        self.unsent().progress = Some(progress);
    }

    /// Keeps a checkpoint for the next heartbeat; a later one replaces it.
    pub fn set_checkpoint(&self, checkpoint: Box<RawValue>) {
        self.unsent().checkpoint = Some(checkpoint);
    }

    /// Takes what waits for a heartbeat.
    pub fn take_unsent(&self) -> Unsent {
        std::mem::take(&mut self.unsent())
    }

    /// Puts back what a failed heartbeat carried, unless there is something newer.
    pub fn put_back(&self, unsent: Unsent) {
        let mut now = self.unsent();
        now.progress = now.progress.take().or(unsent.progress);
        now.checkpoint = now.checkpoint.take().or(unsent.checkpoint);
    }

    /// A checkpoint waits for a heartbeat.
    pub fn has_unsent_checkpoint(&self) -> bool {
        self.unsent().checkpoint.is_some()
    }

    /// Keeps a line. True when the sender of logs must be told of this attempt.
    pub fn push_line(&self, line: LogLine) -> bool {
        let mut kept = self.lines();
        if kept.lines.len() >= LINES_KEPT_MAX {
            kept.lines.remove(0);
        }
        kept.lines.push(line);
        self.has_lines.store(true, Ordering::Release);
        !std::mem::replace(&mut kept.announced, true)
    }

    /// Takes up to `max` lines.
    pub fn take_lines(&self, max: usize) -> Vec<LogLine> {
        let mut kept = self.lines();
        let count = kept.lines.len().min(max);
        let taken = kept.lines.drain(..count).collect();
        if kept.lines.is_empty() {
            kept.announced = false;
            self.has_lines.store(false, Ordering::Release);
        }
        taken
    }

    /// Lines wait to be sent.
    pub fn has_lines(&self) -> bool {
        self.has_lines.load(Ordering::Acquire)
    }

    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().expect("the lock is whole, because nothing panics while it is held")
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().expect("the lock is whole, because nothing panics while it is held")
    }
}
