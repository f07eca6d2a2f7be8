//! What a handler knows about its job, and what it can do under the fence while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::ArtifactRef;
use crate::backfill::WindowOf;
use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::id::JobId;
use crate::job::{JobIn, JobState, LogLevel, Priority, Progress};
use crate::page::{Items, Page};
use crate::run::RunPart;
use crate::schedule::Firing;
use crate::transport::Call;
use crate::watermark::{Advance, Axis, WatermarkHead};
use crate::worker::attempt::Attempt;
use crate::worker::done::ms;
use crate::worker::logs;
use crate::worker::shared::Shared;
use crate::worker::upstream::{UpstreamAnswer, UpstreamIn};
use crate::worker::wire::{FollowUpsIn, LogLine};

/// Bytes of a log line; longer text is cut.
const LINE_CHARS_MAX: usize = 8 << 10;
/// Bytes of a checkpoint.
const CHECKPOINT_BYTES_MAX: usize = 16 << 10;
/// Characters of a progress message.
const PROGRESS_CHARS_MAX: usize = 256;
/// Parents on one page.
const PARENTS_PER_PAGE: &str = "200";

/// The job that a handler works on. Cheap to clone.
#[derive(Clone)]
pub struct JobContext {
    shared: Arc<Shared>,
    attempt: Arc<Attempt>,
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext").field("grant", &self.attempt.grant).finish_non_exhaustive()
    }
}

/// A job that the leased one depended on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ParentOut {
    /// The parent.
    pub job: JobId,
    /// How it ended.
    pub state: JobState,
    /// Its result.
    #[serde(default)]
    pub result: Option<Value>,
    /// Its outputs.
    #[serde(default)]
    pub artifacts: Vec<ArtifactRef>,
}

/// A job made through the fence.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowUpOut {
    /// Its id.
    pub id: JobId,
    /// The key had been used, and this is the first one's job.
    #[serde(default)]
    pub replayed: bool,
}

impl JobContext {
    pub(crate) fn new(shared: Arc<Shared>, attempt: Arc<Attempt>) -> Self {
        Self { shared, attempt }
    }

    /// The job.
    #[must_use]
    pub fn job_id(&self) -> JobId {
        self.attempt.grant.job
    }

    /// Its type.
    #[must_use]
    pub fn job_type(&self) -> &str {
        &self.attempt.grant.job_type
    }

    /// Which attempt this is; the first is 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt.grant.attempt
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.attempt.grant.tenant
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.attempt.grant.project
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.attempt.grant.source.as_deref()
    }

    /// Where a watermark of the source was when this job was handed out; `None`: it was never moved.
    #[must_use]
    pub fn watermark(&self, axis: &Axis) -> Option<&WatermarkHead> {
        self.attempt.grant.watermarks.get(axis.as_str())
    }

    /// Begins to say that the source was read up to `high`, from where its watermark was. Hand it back with
    /// [`crate::Done::watermark`].
    #[must_use]
    pub fn advance(&self, axis: Axis, high: Timestamp) -> Advance {
        let expected = self.watermark(&axis).and_then(|head| head.high);
        Advance::new(axis, expected, high)
    }

    /// The priority.
    #[must_use]
    pub fn priority(&self) -> &Priority {
        &self.attempt.grant.priority
    }

    /// Free labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.attempt.grant.labels
    }

    /// Correlates jobs of one cause.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.attempt.grant.correlation_id.as_deref()
    }

    /// The firing that asked for the job, if a schedule did: its nominal instant is what the job is for, whenever it runs.
    #[must_use]
    pub fn firing(&self) -> Option<&Firing> {
        self.attempt.grant.firing.as_ref()
    }

    /// The part of a run that the job is, if it is one.
    #[must_use]
    pub fn run(&self) -> Option<&RunPart> {
        self.attempt.grant.run.as_ref()
    }

    /// The window of a backfill that the job reads, if it reads one: the stretch of event time to read.
    #[must_use]
    pub fn window(&self) -> Option<&WindowOf> {
        self.attempt.grant.window.as_ref()
    }

    /// The same over all attempts of this job: pass it to upstreams, so that what is done twice counts once.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.attempt.grant.idempotency_key
    }

    /// A client of the tenant's, more patient than usual.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// A cancel was asked for: stop where it is safe, and return what there is or [`crate::HandlerError::canceled`].
    #[must_use]
    pub fn canceled(&self) -> bool {
        self.attempt.canceled.is_raised()
    }

    /// Waits until a cancel is asked for.
    pub async fn cancelled(&self) {
        self.attempt.canceled.raised().await;
    }

    /// The worker shuts down: there is a grace until the handler is ended and its job given back.
    #[must_use]
    pub fn shutting_down(&self) -> bool {
        self.shared.stopping.is_raised()
    }

    /// Waits until the worker shuts down.
    pub async fn shutdown_began(&self) {
        self.shared.stopping.raised().await;
    }

    /// What the last attempt that saved something saved.
    ///
    /// # Errors
    /// It is no `T`.
    pub fn last_checkpoint<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let Some(saved) = &self.attempt.grant.checkpoint else { return Ok(None) };
        let decode = |source| Error::Decode { call: "the last checkpoint".to_owned(), source };
        serde_json::from_str(saved.get()).map(Some).map_err(decode)
    }

    /// Shows how far it is, 0 to 100; rides on the next heartbeat, a later one replaces it.
    pub fn progress(&self, percent: u8, message: impl Into<String>) {
        let message = cut(message.into(), PROGRESS_CHARS_MAX);
        self.attempt.set_progress(Progress { percent: percent.min(100), message });
    }

    /// Saves progress for a next attempt, at most 16 KiB; rides on the next heartbeat, a later one replaces it.
    ///
    /// # Errors
    /// It cannot be written as JSON, or is too large.
    pub fn checkpoint<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        let value = serde_json::value::to_raw_value(value).map_err(Error::Encode)?;
        let bytes = value.get().len();
        if bytes > CHECKPOINT_BYTES_MAX {
            let text = format!("a checkpoint of {bytes} bytes; at most {CHECKPOINT_BYTES_MAX} are allowed");
            return Err(Error::Settings(text));
        }
        self.attempt.set_checkpoint(value);
        Ok(())
    }

    /// Writes a line to the job's log.
    pub fn log(&self, text: impl Into<String>) {
        self.log_at(LogLevel::Info, text);
    }

    /// Writes a line of some level to the job's log.
    pub fn log_at(&self, level: LogLevel, text: impl Into<String>) {
        let line = LogLine { at: clock::wall(), level, message: cut(text.into(), LINE_CHARS_MAX) };
        if self.attempt.push_line(line) {
            // The receiver ends only after the last handler.
            let _ = self.shared.logs.send(logs::Message::Lines(Arc::clone(&self.attempt)));
        }
    }

    /// The jobs that this one depended on, page by page.
    #[must_use]
    pub fn parents(&self) -> Parents {
        Parents { context: self.clone(), next: Some(None) }
    }

    /// One page of the jobs that this one depended on.
    ///
    /// # Errors
    /// Any; `stale_lease` when the lease is not current.
    pub async fn parents_page(&self, cursor: Option<&str>) -> Result<Page<ParentOut>, Error> {
        let call = Call::get("/worker/parents")
            .query("token", &*self.attempt.grant.token)
            .query("limit", PARENTS_PER_PAGE)
            .maybe_query("cursor", cursor);
        self.fenced(self.client().call(call).await)
    }

    /// Makes up to 1,000 jobs, real at once, which stay if this job fails. The key is scoped to this job: with the
    /// same key a next attempt gets the same jobs.
    ///
    /// # Errors
    /// Any; `stale_lease` when the lease is not current.
    pub async fn follow_ups(&self, jobs: &[JobIn], key: &str) -> Result<Vec<FollowUpOut>, Error> {
        let body = FollowUpsIn { token: &self.attempt.grant.token, jobs };
        let call = Call::post("/worker/follow-ups").json(&body)?.keyed(Some(key));
        let answer: Items<FollowUpOut> = self.fenced(self.client().call(call).await)?;
        Ok(answer.items)
    }

    /// Tells what an upstream answered: a refusal halves what is used of its bucket's terms, for all workers, and
    /// "come again later" closes it; answers that become slow cut it as well. One that says nothing of the kind is not sent.
    ///
    /// # Errors
    /// Any; `stale_lease` when the lease is not current.
    pub async fn upstream(&self, answer: UpstreamAnswer) -> Result<(), Error> {
        if !answer.says_something() {
            return Ok(());
        }
        let body = UpstreamIn {
            token: &self.attempt.grant.token,
            status: answer.status,
            throttled: answer.throttled,
            retry_after_ms: answer.retry_after.map(ms),
            sent_ms_ago: answer.sent_ago.map(ms),
            latency_ms: answer.latency.map(ms),
        };
        let call = Call::post("/worker/upstream").json(&body)?.repeatable();
        self.fenced(self.client().send(call).await.map(drop))
    }

    /// Uploads bytes. Name what comes back in [`crate::Done::artifact`], so that it belongs to this job.
    ///
    /// # Errors
    /// Any.
    pub async fn put_artifact(&self, bytes: impl Into<Bytes>, media_type: &str) -> Result<ArtifactRef, Error> {
        self.client().artifacts().put(bytes, media_type).await
    }

    /// A stale lease ends the attempt, whatever the handler makes of the error.
    fn fenced<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        if matches!(&answer, Err(error) if error.is_stale_lease()) {
            self.attempt.lost.raise();
        }
        answer
    }
}

/// The parents of a job, page by page.
#[derive(Debug)]
pub struct Parents {
    context: JobContext,
    /// `None`: no page is left.
    next: Option<Option<String>>,
}

impl Parents {
    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// Any; the same page can be asked for again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ParentOut>>, Error> {
        let Some(cursor) = &self.next else { return Ok(None) };
        let page = self.context.parents_page(cursor.as_deref()).await?;
        self.next = page.next_cursor.map(Some);
        Ok(Some(page.items))
    }
}

/// The first characters of a text, without NUL, which ledgers refuse.
fn cut(text: String, chars: usize) -> String {
    let text = if text.contains('\0') { text.replace('\0', " ") } else { text };
    match text.char_indices().nth(chars) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}
