//! Answers: what a command returns once its position is committed.

use std::collections::BTreeMap;

use orch_core::allotment::Allotment;
use orch_core::config::ConfigDoc;
use orch_core::fact::PauseTarget;
use orch_core::fairness::Receipt;
use orch_core::graph::Graph;
use orch_core::ids::{BackfillId, JobId, LaneNo, RunId, SessionId, StepNo, TenantNo};
use orch_core::job::{JobError, JobState, LaneKey, Payload, Priority};
use orch_core::lease::Token;
use orch_core::refusal::Refusal;
use orch_core::run::Counts;
use orch_core::schedule::Asked;
use orch_core::time::Timestamp;
use orch_core::watermark::{Axis, Range, Watermark};
use serde::{Deserialize, Serialize};

pub use orch_gates::adaptive::SharePoint;
pub use orch_gates::{BreakerState, Cut};

use crate::command::{Actor, Progress, ThrottleLimits};
use crate::json_text;
use crate::run::RunCourse;
use crate::simulate::Copied;

/// A lease as the worker gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The fencing token.
    pub token: Token,
    /// What the job is.
    pub lane: LaneKey,
    /// Until when the lease holds without a heartbeat.
    pub until: Timestamp,
    /// The lease's length.
    pub lease_ms: u64,
    /// The attempt's first request must not leave before.
    pub not_before: Option<Timestamp>,
    /// Nor later than then: the attempt is given back instead.
    pub leave_by: Option<Timestamp>,
    /// When the attempt times out.
    pub execution_until: Timestamp,
    /// Where the watermarks of its source are.
    pub watermarks: Vec<WatermarkHead>,
    /// Payload and extra, if they were in memory; else the engine reads them.
    pub carried: Option<Carried>,
}

/// Where a watermark is, as a lease carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkHead {
    /// Which of its source's.
    pub axis: Axis,
    /// Back to when the source was read.
    pub low: Option<Timestamp>,
    /// Up to when.
    pub high: Option<Timestamp>,
    /// What is found behind it by more than this is late.
    pub lateness_ms: u64,
}

/// What a lease carries besides its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The payload.
    pub payload: Payload,
    /// `JobExtra` as JSON.
    pub extra: Option<bytes::Bytes>,
}

/// What became of one accepted job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enqueued {
    /// The job; with a repeated key: the first one's.
    pub id: JobId,
    /// True when a key was repeated.
    pub replayed: bool,
    /// It is canceled already: the strategy of its concurrency key ended it.
    pub canceled: bool,
    /// Its concurrency key, whoever found it; `None` also when a key was repeated.
    pub concurrency_key: Option<String>,
}

impl Enqueued {
    /// The first answer to a key that was repeated.
    #[must_use]
    pub fn again(id: JobId) -> Self {
        Self { id, replayed: true, canceled: false, concurrency_key: None }
    }
}

/// What a heartbeat says of one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BeatAnswer {
    /// Go on, until then.
    Continue(Timestamp),
    /// A cancel was asked for; the lease holds until then.
    Cancel(Timestamp),
    /// The lease is not current: drop the attempt.
    Lost,
}

/// One declared thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFound {
    /// The document.
    #[serde(with = "json_text")]
    pub doc: ConfigDoc,
    /// Its version.
    pub version: u64,
    /// When it was set.
    pub at: Timestamp,
}

/// An open job as the owner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenJob {
    /// The job.
    pub id: JobId,
    /// Its lane, which may be another than the one it was accepted in.
    pub lane: LaneNo,
    /// Its state.
    pub state: JobState,
    /// A cancel was asked for.
    pub canceling: bool,
    /// Attempts so far.
    pub attempt: u32,
    /// Tries that count.
    pub tries: u32,
    /// Lost leases.
    pub lost: u32,
    /// When it is due, if it waits for a moment.
    pub due_at: Option<Timestamp>,
    /// Open dependencies.
    pub waits_for: u32,
    /// Who works on it.
    pub session: Option<SessionId>,
    /// The open attempt's token.
    pub token: Option<Token>,
    /// When the open attempt began.
    pub started_at: Option<Timestamp>,
    /// The last error.
    pub error: Option<JobError>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Seq of its last fact.
    pub last_seq: u64,
}

/// What can hold a job back, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Jobs that it depends on are open.
    Dependencies,
    /// Its moment has not come: not before, or a back-off.
    Time,
    /// The tenant is marked for deletion.
    Deleting,
    /// A pause.
    Paused,
    /// A throttle.
    Throttled,
    /// The window of a blackout.
    Blackout,
    /// Too many attempts failed, or an operator opened its breaker.
    Breaker,
    /// What its host allows is spent, or the host is closed.
    Bucket,
    /// As many attempts as may be are under way.
    Concurrency,
    /// A quota is used up, or paused.
    Quota,
    /// No worker can take it.
    Worker,
    /// Others are ahead.
    Turn,
}

/// A gate that holds something back now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which.
    pub gate: Gate,
    /// Who or what holds it, for people.
    pub by: String,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// When it can open, at the earliest; `None`: that is not known.
    pub opens_at: Option<Timestamp>,
}

/// When something happens that depends on how long attempts take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// When, about.
    pub at: Timestamp,
    /// Run times of its job type that are known; with none, those of the tenant's other work were taken.
    pub run_times: u32,
}

/// Why something waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Every gate that holds it, in the order in which they are looked at; nothing when it can go.
    pub holds: Vec<Hold>,
    /// Jobs of its lane before it, if memory knows.
    pub ahead: Option<u64>,
    /// When the lane is granted from next, where attempts must end first; `None`: it can go, or nobody knows.
    pub front: Option<Estimate>,
    /// When the job starts, if it was asked for; `None`: it can go, or nobody knows.
    pub starts: Option<Estimate>,
}

/// What waits in some lanes, and on what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanesWaiting {
    /// Lanes in which jobs wait.
    pub lanes: u64,
    /// Jobs that wait in them.
    pub ready: u64,
    /// Jobs handed out.
    pub leased: u64,
    /// How many of the lanes each gate holds first; those that it does not count can go.
    pub waiting_on: BTreeMap<Gate, u64>,
}

/// A gate of a host, whether it holds now or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGate {
    /// What it is called; `None`: it is the platform's.
    pub name: Option<String>,
    /// It holds requests back now.
    pub holds: bool,
    /// What it does.
    pub hold: Hold,
}

/// What governs a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostExplained {
    /// The tenant's sources with this host, by name.
    pub sources: Vec<String>,
    /// Every gate, in the order in which they are looked at.
    pub gates: Vec<HostGate>,
    /// What waits for it.
    pub lanes: LanesWaiting,
}

/// What holds a tenant's work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantExplained {
    /// Every gate that holds all of it, in the order in which they are looked at.
    pub holds: Vec<Hold>,
    /// Pauses and quotas that hold a part of it.
    pub parts: Vec<Hold>,
    /// What waits in its lanes.
    pub lanes: LanesWaiting,
    /// Worker sessions that take its work, and were heard lately.
    pub workers: u64,
    /// Leases that they want at the same time.
    pub capacity: u64,
}

/// What keeps more of a job type from being under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Limiter {
    /// Which gate.
    pub gate: Gate,
    /// What of it, for people.
    pub by: String,
}

/// How many workers' slots a job type could use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkersWanted {
    /// The job type.
    pub job_type: String,
    /// Attempts at the same time that would end the waiting work within the target, as far as gates let them; at least
    /// those that are under way.
    pub desired: u64,
    /// Jobs that wait in its lanes.
    pub waiting: u64,
    /// Attempts under way.
    pub under_way: u64,
    /// How long an attempt takes on average; `None`: none has ended well yet.
    pub mean_ms: Option<u64>,
    /// Run times that the average is made from.
    pub run_times: u32,
    /// Attempts that ended well within the last minute, about.
    pub per_minute: u64,
    /// What keeps it from being more.
    pub limited_by: Vec<Limiter>,
}

/// A bucket as the owner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketFound {
    /// What each term would admit at once now, whatever the share.
    pub left: Vec<u32>,
    /// When the next request of cost 1 may leave, unless that is now.
    pub opens_at: Option<Timestamp>,
    /// Until when it is closed.
    pub closed_until: Option<Timestamp>,
    /// The share of the terms that is used, in parts of a thousand.
    pub share: u32,
    /// When that is the whole again.
    pub whole_at: Option<Timestamp>,
    /// The last cuts, oldest first.
    pub cuts: Vec<Cut>,
    /// The share in each minute of the last hour, oldest first, if it was cut.
    pub history: Vec<SharePoint>,
    /// What is under way at its host, if that is limited.
    pub in_flight: Option<InFlight>,
    /// What answers usually take, in milliseconds, once that was learnt.
    pub baseline_ms: Option<u64>,
    /// What the last ones took.
    pub latency_ms: Option<u64>,
}

/// What is under way at a bucket's host, and what may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// Attempts under way.
    pub under_way: u32,
    /// So many may be now.
    pub most: u32,
    /// So many may be at most.
    pub max: u32,
}

/// A breaker as the owner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerFound {
    /// What it does.
    pub state: BreakerState,
    /// Since when.
    pub since: Timestamp,
    /// The operator who opened it.
    pub tripped_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Attempts under way that it governs.
    pub under_way: u32,
    /// Good outcomes in its window.
    pub good: u64,
    /// Failures in its window.
    pub bad: u64,
}

/// A lane as the owner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneFound {
    /// Its number.
    pub no: LaneNo,
    /// What its jobs have in common.
    pub key: LaneKey,
    /// Jobs that wait in it.
    pub ready: u64,
    /// Jobs handed out.
    pub leased: u64,
    /// The first gate that holds it, whatever workers and turns do.
    pub held_by: Option<Gate>,
    /// The first gate that holds it.
    pub waiting_on: Option<Gate>,
}

/// Counts of a tenant's open jobs by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCounts {
    /// Waiting for other jobs.
    pub blocked: u64,
    /// Waiting for a moment.
    pub scheduled: u64,
    /// Waiting in lanes.
    pub ready: u64,
    /// Handed out, not acknowledged.
    pub leased: u64,
    /// Acknowledged.
    pub running: u64,
}

/// A worker session as the owner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFound {
    /// Its id.
    pub session: SessionId,
    /// The worker's name.
    pub worker: String,
    /// This boot.
    pub boot: String,
    /// Job types.
    pub job_types: Vec<String>,
    /// Leases it wants.
    pub capacity: u32,
    /// Leases it has from this tenant.
    pub leases: u32,
    /// SDK name and version.
    pub sdk: String,
    /// The last sign of life.
    pub heard_at: Timestamp,
    /// It gets nothing more.
    pub draining: bool,
}

/// Which open jobs of a tenant there are, for a rotation: fresh ones by their lanes' heads, all others by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// Lanes with the order key at or below which none of their fresh jobs is open; by lane.
    pub heads: Vec<(LaneNo, u64)>,
    /// Open jobs that are held in memory; by id.
    pub keep: Vec<JobId>,
}

/// What a pause looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseFound {
    /// What.
    pub target: PauseTarget,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleFound {
    /// Nominal instants up to here are decided, or wait.
    pub decided_until: Timestamp,
    /// When the next one is due; `None`: none comes, or it is paused.
    pub next_at: Option<Timestamp>,
    /// Nominal instants that wait for its open jobs, in order.
    pub waiting: Vec<Timestamp>,
    /// Open jobs that it asked for.
    pub open_count: u64,
    /// The first hundred of them.
    pub open: Vec<Asked>,
    /// Jobs in a row that failed.
    pub failures: u32,
    /// Nominal instants that had a job.
    pub fired: u64,
    /// Those that had none, for whatever reason.
    pub skipped: u64,
    /// Of those, the ones that could not be kept because nobody served.
    pub missed: u64,
    /// The last nominal instant that had a job, and the job.
    pub last: Option<(Timestamp, Asked)>,
    /// It is paused.
    pub paused: Option<Stopped>,
}

/// What a throttle looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleFound {
    /// What.
    pub target: PauseTarget,
    /// To what it is held.
    pub limits: ThrottleLimits,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Timestamp,
    /// Attempts under way.
    pub active: u32,
    /// Attempts that may still begin in this minute, if that is limited.
    pub minute_left: Option<u32>,
}

/// What the priority of a target looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityFound {
    /// What.
    pub target: PauseTarget,
    /// As what its lanes weigh.
    pub priority: Priority,
    /// Until when.
    pub until: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// Who moved a watermark last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MovedBy {
    /// The report on an attempt of this job.
    Job(JobId),
    /// Who set it, and why.
    Operator(Actor),
}

/// How far a source has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkFound {
    /// The source.
    pub source: String,
    /// Which of its watermarks.
    pub axis: Axis,
    /// Where it is.
    pub watermark: Watermark,
    /// Its version.
    pub version: u64,
    /// When it was moved last.
    pub at: Timestamp,
    /// By whom.
    pub by: MovedBy,
    /// How far it is behind now, in milliseconds.
    pub lag_ms: Option<u64>,
}

/// What a quota's work uses, and what it may have now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaFound {
    /// Attempts under way.
    pub active: u32,
    /// Jobs that wait in their lanes.
    pub waiting: u64,
    /// Its share of what the whole tenant may have under way, if that is limited.
    pub share: Option<u32>,
    /// Attempts that may still begin in this hour, if that is limited.
    pub hour_left: Option<u32>,
    /// When the next may begin, unless that is now.
    pub opens_at: Option<Timestamp>,
    /// Its work is held.
    pub paused: bool,
}

/// What the home of shared hosts answers another shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permits {
    /// The epoch and the number of the call that this answers.
    pub of: (u64, u64),
    /// When the call was sent, by the clock of the shard that asked.
    pub sent: Timestamp,
    /// The home's time when the call came in, and when it was answered.
    pub at: (Timestamp, Timestamp),
    /// When the answer came, by the clock of the shard that asked; it says so itself.
    pub came: Timestamp,
    /// The governed hosts and the version of what says so, if the caller knew of another.
    pub governed: Option<(u64, Vec<String>)>,
    /// Permits for its tenants.
    pub permits: Vec<Permit>,
}

/// The right to one request to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// The host.
    pub host: String,
    /// Whose request.
    pub tenant: TenantNo,
    /// What the host's buckets were charged.
    pub cost: u32,
    /// For urgent work only.
    pub urgent: bool,
    /// The request leaves then and not before.
    pub leaves_at: Timestamp,
    /// No request leaves under it later.
    pub until: Timestamp,
    /// Seq of its fact in the sequence of `system`.
    pub seq: u64,
}

/// What a tenant is allotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantAllotted {
    /// The tenant.
    pub tenant: TenantNo,
    /// What.
    #[serde(with = "json_text")]
    pub allotment: Allotment,
}

/// Where an open run, or backfill, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Under way.
    Running,
    /// Held.
    Paused,
    /// Its end was asked for.
    Canceling,
}

/// An open backfill as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenBackfillFound {
    /// Where it is.
    pub state: RunState,
    /// How many windows it looks at.
    pub windows: u32,
    /// How many of them, in its order, have begun or were left out.
    pub next: u32,
    /// How many ended how; `skipped` are those that were read already.
    pub counts: Counts,
    /// Its open windows: number, stretch, and what reads it.
    pub open: Vec<(u32, Range, Asked)>,
    /// Its open windows.
    pub open_count: u32,
    /// Windows that did not succeed, by number; the first ten thousand.
    pub failed: Vec<u32>,
    /// Who holds it.
    pub paused: Option<Stopped>,
    /// Who asked for its end.
    pub canceled: Option<Stopped>,
}

/// Who held or ended something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An open run as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRunFound {
    /// Where it is.
    pub state: RunState,
    /// How many of its steps ended how, so far.
    pub counts: Counts,
    /// Who asked for its end.
    pub canceled: Option<Stopped>,
    /// Who holds it.
    pub paused: Option<Stopped>,
    /// Its open jobs.
    pub open_jobs: u64,
    /// The first thousand of them, by step and item; only where all was asked for.
    pub open: Vec<(StepNo, Option<u32>, JobId)>,
    /// Where its steps are; only where all was asked for.
    pub course: Option<RunCourse>,
}

/// A graph, in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundGraph(#[serde(with = "json_text")] pub Graph);

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Done; nothing to say.
    Done,
    /// Jobs accepted, in order.
    Enqueued(Vec<Enqueued>),
    /// Leases granted; empty when there is no work.
    Claimed(Vec<Grant>),
    /// One answer per item, in order.
    Items(Vec<Result<(), Refusal>>),
    /// One answer per completion: the follow-up jobs that were made.
    Completed(Vec<Result<Vec<JobId>, Refusal>>),
    /// What a heartbeat says.
    Beats {
        /// One answer per lease, in order.
        leases: Vec<BeatAnswer>,
        /// The session is to end what it has and ask for nothing more.
        drain: bool,
    },
    /// The session that claims is draining, and gets nothing more.
    Draining,
    /// The tenant as it was made.
    Tenant(orch_core::port::TenantRow),
    /// The version of the declared thing; `created` when it is its first.
    Config {
        /// The version.
        version: u64,
        /// It did not exist.
        created: bool,
    },
    /// The job is (or will be, for a running one) canceled.
    Canceled {
        /// The state now.
        state: JobState,
        /// A running attempt was asked to stop.
        requested: bool,
    },
    /// The job itself (tried now), or the new job made in its stead.
    Again(JobId),
    /// Refused as a whole.
    Refused(Refusal),
    /// Open jobs, in the order asked; `None`: not held in memory.
    Jobs(Vec<Option<OpenJob>>),
    /// Lanes.
    Lanes(Vec<LaneFound>),
    /// Counts.
    Summary(OpenCounts),
    /// A declared thing.
    ConfigFound(Option<ConfigFound>),
    /// Declared things by name.
    Configs(Vec<ConfigFound>),
    /// Tenants marked for deletion, and until when they can be restored.
    Marks(Vec<(TenantNo, Timestamp)>),
    /// What tenants are allotted, for whom something was set.
    Allotments(Vec<TenantAllotted>),
    /// What a tenant was due and received: hours that are over, the latest last, and then the one that is not.
    Fairness(Vec<Receipt>),
    /// Worker sessions.
    Workers(Vec<WorkerFound>),
    /// Pauses.
    Pauses(Vec<PauseFound>),
    /// Throttles.
    Throttles(Vec<ThrottleFound>),
    /// Priorities of targets.
    Priorities(Vec<PriorityFound>),
    /// Jobs accepted under the default key, by job type.
    Keyless(Vec<(String, u64)>),
    /// Why something waits; `None`: there is no such lane.
    Explained(Option<Explained>),
    /// What governs a host; `None`: nothing of the tenant's has to do with it.
    HostExplained(Option<HostExplained>),
    /// What holds a tenant's work.
    TenantExplained(TenantExplained),
    /// The first gate that holds each lane, in the order asked.
    WaitingOn(Vec<Option<Gate>>),
    /// How many workers job types could use, by name.
    WorkersWanted(Vec<WorkersWanted>),
    /// A bucket; `None`: there is none of that name.
    Bucket(Option<BucketFound>),
    /// A breaker; `None`: there is none of that name.
    Breaker(Option<BreakerFound>),
    /// A schedule as it stands; `None`: there is none of that name.
    Schedule(Option<Box<ScheduleFound>>),
    /// A run that was begun; `replayed` when the same was asked for before.
    Run {
        /// Which.
        run: RunId,
        /// It was there.
        replayed: bool,
    },
    /// An open run with all of its steps, and its graph; `None`: it is not open.
    OpenRun(Option<Box<(OpenRunFound, FoundGraph)>>),
    /// Open runs, in the order asked; `None`: it is not open.
    OpenRuns(Vec<Option<OpenRunFound>>),
    /// Open runs with their seqs, the latest first.
    OpenRunSeqs(Vec<(u64, RunId)>),
    /// A backfill that was made; `replayed` when the same call made it before.
    Backfill {
        /// Which.
        backfill: BackfillId,
        /// It was there.
        replayed: bool,
    },
    /// Open backfills, in the order asked; `None`: it is not open.
    OpenBackfills(Vec<Option<OpenBackfillFound>>),
    /// A copy of the shard's state.
    Copied(Box<Copied>),
    /// Open jobs in one state.
    OpenJobs(Vec<OpenJob>),
    /// What a rotation must leave.
    Rotation(Needed),
    /// Quotas by name.
    Quotas(Vec<(String, QuotaFound)>),
    /// Permits for another shard's tenants.
    Permits(Permits),
    /// Watermarks by source and axis.
    Watermarks(Vec<WatermarkFound>),
}
