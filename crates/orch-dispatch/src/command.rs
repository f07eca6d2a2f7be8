//! Commands: what callers ask of a shard, with everything decided outside (ids, hashes) already in them.
//!
//! Fields are checked at the edge (`orch-engine`); here only what needs state is decided.

mod read;

use std::collections::BTreeMap;

use bytes::Bytes;
use orch_core::allotment::Allotment;
use orch_core::backfill::{BackfillSpec, WindowOf};
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::PauseTarget;
use orch_core::graph::Graph;
use orch_core::ids::{BackfillId, ClaimId, JobId, RunId, SessionId, ShardNo, TenantNo};
use orch_core::job::{ArtifactRef, Dependency, JobError, LaneKey, Origin, Payload, Priority};
use orch_core::lease::Token;
use orch_core::port::{TenantRow, TokenRow};
use orch_core::refusal::Refusal;
use orch_core::run::{PartOf, RunSpec};
use orch_core::schedule::Firing;
use orch_core::term::Slow;
use orch_core::time::Timestamp;
use orch_core::watermark::{Advance, Axis, Watermark};
use serde::{Deserialize, Serialize};

use crate::answer::Permits;
use crate::json_text;

pub use read::Read;

/// An idempotency key in use: the hash of (subject, operation, key) and of what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// Hash of subject, operation and key.
    pub key: [u8; 16],
    /// Hash of what is asked.
    pub fingerprint: [u8; 16],
}

/// A job to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewJob {
    /// Its id, made outside.
    pub id: JobId,
    /// True when the caller chose the id: then it may be taken already.
    pub id_given: bool,
    /// Its own idempotency key.
    pub key: Option<KeyUse>,
    /// Where it waits.
    pub lane: LaneKey,
    /// JSON bytes.
    pub payload: Payload,
    /// SHA-256 of the payload, 64 hexadecimal digits.
    pub payload_sha256: String,
    /// Why the payload does not fit its type's schema. A repeated key gets its first answer all the same.
    pub misfit: Option<Refusal>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// Final by then.
    pub deadline: Option<Timestamp>,
    /// Existing jobs or jobs of the same call, whatever their order in it.
    pub depends_on: Vec<Dependency>,
    /// Correlates jobs of one cause.
    pub correlation_id: Option<String>,
    /// Where it comes from.
    pub origin: Option<Origin>,
    /// The firing that asks for it.
    pub firing: Option<Firing>,
    /// The part of a run that it is.
    pub part: Option<PartOf>,
    /// The window of a backfill that it reads.
    pub window: Option<WindowOf>,
}

/// A worker's report on one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// Which attempt.
    pub token: Token,
    /// What became of it.
    pub outcome: Report,
    /// First 16 bytes of the report's hash: the same report again gets the same answer.
    pub fingerprint: [u8; 16],
    /// Outputs.
    pub artifacts: Vec<ArtifactRef>,
    /// Jobs that become real together with a success.
    pub follow_ups: Vec<NewJob>,
    /// How long hosts took to answer the attempt's requests; refusals are not among them.
    pub took: Vec<Took>,
    /// How far it read its job's source; only with a success.
    pub watermark: Option<Box<Advance>>,
}

/// What a worker says became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Success, with a result (JSON) and its SHA-256.
    Succeeded {
        /// The result.
        #[serde(with = "json_text")]
        result: Option<serde_json::Value>,
        /// SHA-256 of its canonical bytes, 64 hexadecimal digits.
        result_sha256: Option<String>,
    },
    /// An error.
    Failed(JobError),
    /// The worker stopped because of a cancel.
    Canceled,
}

/// One lease in a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Which attempt.
    pub token: Token,
    /// Percent and text.
    pub progress: Option<Progress>,
    /// Saved progress, JSON.
    pub checkpoint: Option<Bytes>,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// Text for people.
    pub message: String,
}

/// What must hold for a config change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Anything.
    Any,
    /// It does not exist yet.
    Absent,
    /// Its version is this.
    Version(u64),
}

/// A worker session as announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionParams {
    /// Its id: derived from tenant, worker and boot, so that the same boot announces the same session.
    pub session: SessionId,
    /// The tenants it may work for; `system` stands for all.
    pub tenants: Vec<TenantNo>,
    /// The worker's name.
    pub worker: String,
    /// This boot of the worker.
    pub boot: String,
    /// Job types it can do.
    pub job_types: Vec<String>,
    /// Leases it wants at the same time.
    pub capacity: u32,
    /// SDK name and version.
    pub sdk: String,
}

/// A claim call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimParams {
    /// Whose.
    pub session: SessionId,
    /// The same id returns the same grants.
    pub claim: ClaimId,
    /// At most so many leases.
    pub max: usize,
    /// Job types; empty: those of the session.
    pub job_types: Vec<String>,
    /// The grant counts as the acknowledgement.
    pub auto_ack: bool,
    /// Until when it may wait; `None`: answer at once.
    pub wait_until: Option<Timestamp>,
}

/// What an upstream answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UpstreamSaid {
    /// The status, if it says that there were too many requests: the caller knows the signatures.
    pub throttled: Option<u16>,
    /// It is to be asked again after so many milliseconds, and not before.
    pub retry_after_ms: Option<u64>,
    /// So many milliseconds ago the request left; else it left when the attempt began.
    pub sent_ms_ago: Option<u64>,
    /// So many milliseconds it took to answer.
    pub latency_ms: Option<u64>,
}

/// How long a host took to answer a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// The host.
    pub host: String,
    /// Milliseconds.
    pub latency_ms: u64,
}

/// What a shard asks of the home of the hosts that all tenants share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitAsk {
    /// The shard that asks.
    pub shard: ShardNo,
    /// Its epoch: a later owner's calls count.
    pub epoch: u64,
    /// Rises with each call of an ownership.
    pub number: u64,
    /// Of which version it knows the governed hosts.
    pub known: Option<u64>,
    /// The permits that its tenants could use now.
    pub wishes: Vec<PermitWish>,
    /// What upstreams answered its tenants' workers.
    pub said: Vec<HostSaid>,
    /// The time of the shard that asks.
    pub sent: Timestamp,
    /// The call waits at most so long for a permit.
    pub wait_ms: u64,
}

/// Permits that a tenant could use now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitWish {
    /// For requests to this host.
    pub host: String,
    /// The tenant.
    pub tenant: TenantNo,
    /// What each is charged.
    pub cost: u32,
    /// How many.
    pub count: u32,
    /// For urgent work.
    pub urgent: bool,
    /// The tenant's weight, which its home alone knows.
    pub weight: u32,
}

/// What a host that all tenants share answered to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSaid {
    /// The host.
    pub host: String,
    /// Whose request.
    pub tenant: TenantNo,
    /// The job that made it.
    pub job: JobId,
    /// A worker of the platform says so.
    pub by_platform: bool,
    /// What it said.
    pub said: UpstreamSaid,
    /// When the request left; the first of the slow ones.
    pub sent: Timestamp,
    /// It has become slow, as its tenant's owner finds.
    pub slow: Option<Slow>,
}

/// Who acts and why, for commands of operators.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Actor {
    /// The subject.
    pub by: String,
    /// The reason.
    pub reason: Option<String>,
}

/// A backfill that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedBackfill(#[serde(with = "json_text")] pub BackfillSpec);

/// A run that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRun {
    /// Its id.
    pub run: RunId,
    /// What it executes.
    pub graph: WhichGraph,
    /// What is asked for. Its graph is set by the owner.
    #[serde(with = "json_text")]
    pub spec: RunSpec,
}

/// What a run executes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhichGraph {
    /// The declared graph of this name, as it stands.
    Declared(String),
    /// One that comes with the call.
    Own(#[serde(with = "json_text")] Graph),
    /// A version of a declared graph, for a repair; 0: one that came with a call.
    Version(#[serde(with = "json_text")] Graph, u64),
}

/// What a throttle holds its target to, and how long. One of the two is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ThrottleLimits {
    /// Attempts under way at the same time.
    pub active_max: Option<u32>,
    /// Attempts that begin in any minute.
    pub per_minute_max: Option<u32>,
    /// From then on it does not hold any more.
    pub until: Timestamp,
}

/// What is asked of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Make a tenant; its number, shard and time are given here, whatever the row says.
    CreateTenant(TenantRow),
    /// Make a token.
    CreateToken(TokenRow),
    /// Revoke a token.
    RevokeToken {
        /// The tenant.
        tenant: TenantNo,
        /// The token as stored.
        row: TokenRow,
    },
    /// A new version of a declared thing.
    PutConfig {
        /// The tenant.
        tenant: TenantNo,
        /// The document, checked.
        #[serde(with = "json_text")]
        doc: ConfigDoc,
        /// What must hold.
        expect: Expect,
    },
    /// Something is declared no more.
    DeleteConfig {
        /// The tenant.
        tenant: TenantNo,
        /// Its kind.
        kind: ConfigKind,
        /// Its name.
        name: String,
        /// What must hold.
        expect: Expect,
        /// Who and why.
        actor: Actor,
    },
    /// Accept jobs: all of them or none.
    Enqueue {
        /// The tenant.
        tenant: TenantNo,
        /// The jobs, at most 1,000.
        jobs: Vec<NewJob>,
        /// A key for the whole call.
        key: Option<KeyUse>,
    },
    /// Announce a worker session.
    OpenSession(SessionParams),
    /// Ask for leases.
    Claim(ClaimParams),
    /// Acknowledge attempts.
    Ack {
        /// The caller's tenants.
        tenants: Vec<TenantNo>,
        /// Which.
        tokens: Vec<Token>,
    },
    /// Extend exactly the listed leases.
    Heartbeat {
        /// The caller's tenants.
        tenants: Vec<TenantNo>,
        /// The session.
        session: SessionId,
        /// Which.
        beats: Vec<Beat>,
    },
    /// Report the ends of attempts.
    Complete {
        /// The caller's tenants.
        tenants: Vec<TenantNo>,
        /// Which.
        completions: Vec<Completion>,
    },
    /// Give leases back.
    Release {
        /// The caller's tenants.
        tenants: Vec<TenantNo>,
        /// Which.
        tokens: Vec<Token>,
    },
    /// Make jobs under an attempt's fence; they stay if the attempt fails.
    FollowUps {
        /// The caller's tenants.
        tenants: Vec<TenantNo>,
        /// The attempt.
        token: Token,
        /// The jobs.
        jobs: Vec<NewJob>,
        /// A key for the whole call, scoped to the parent.
        key: Option<KeyUse>,
    },
    /// Log lines of an attempt.
    Log {
        /// The caller's tenants.
        tenants: Vec<TenantNo>,
        /// The attempt.
        token: Token,
        /// JSON array of lines.
        lines: Bytes,
    },
    /// What an upstream answered to a request of an attempt.
    Upstream {
        /// The caller's tenants.
        tenants: Vec<TenantNo>,
        /// The attempt.
        token: Token,
        /// What it said.
        said: UpstreamSaid,
    },
    /// Open a bucket at the whole of its terms.
    ResetBucket {
        /// The tenant.
        tenant: TenantNo,
        /// Its name.
        bucket: String,
        /// Who and why.
        actor: Actor,
    },
    /// Open a breaker until it is reset.
    TripBreaker {
        /// The tenant.
        tenant: TenantNo,
        /// Its name.
        breaker: String,
        /// Who and why.
        actor: Actor,
    },
    /// Close a breaker, with nothing counted.
    ResetBreaker {
        /// The tenant.
        tenant: TenantNo,
        /// Its name.
        breaker: String,
        /// Who and why.
        actor: Actor,
    },
    /// Pause a schedule, or let it go on.
    PauseSchedule {
        /// The tenant.
        tenant: TenantNo,
        /// Its name.
        schedule: String,
        /// It is to be paused.
        pause: bool,
        /// Who and why.
        actor: Actor,
    },
    /// Begin a run.
    StartRun {
        /// The tenant.
        tenant: TenantNo,
        /// What.
        new: Box<NewRun>,
        /// The call's own key.
        key: Option<KeyUse>,
    },
    /// End an open run: what has not begun does not, and what is under way is asked to stop.
    CancelRun {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        run: RunId,
        /// Who and why.
        actor: Actor,
    },
    /// Hold an open run, or let it go on.
    PauseRun {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        run: RunId,
        /// It is to be held.
        pause: bool,
        /// Who and why.
        actor: Actor,
    },
    /// Say yes or no where a run asks.
    DecideApproval {
        /// The tenant.
        tenant: TenantNo,
        /// Which run.
        run: RunId,
        /// The name of the step that asks.
        step: String,
        /// Yes.
        approve: bool,
        /// What the caller may do.
        scopes: Vec<String>,
        /// Who and why.
        actor: Actor,
    },
    /// Read a stretch of event time again, window by window.
    CreateBackfill {
        /// The tenant.
        tenant: TenantNo,
        /// Its id.
        backfill: BackfillId,
        /// What.
        spec: Box<AskedBackfill>,
        /// The call's own key.
        key: Option<KeyUse>,
    },
    /// Hold an open backfill, or let it go on.
    PauseBackfill {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        backfill: BackfillId,
        /// It is to be held.
        pause: bool,
        /// Who and why.
        actor: Actor,
    },
    /// End an open backfill.
    CancelBackfill {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        backfill: BackfillId,
        /// Who and why.
        actor: Actor,
    },
    /// Make a new job of a final one, before others.
    Replay {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        job: JobId,
        /// The id of the new one.
        new_id: JobId,
        /// The call's own key.
        key: Option<KeyUse>,
    },
    /// Is this attempt's lease current? (For reads under a fence.)
    CheckLease {
        /// The caller's tenants.
        tenants: Vec<TenantNo>,
        /// The attempt.
        token: Token,
    },
    /// End a job.
    Cancel {
        /// The tenant.
        tenant: TenantNo,
        /// The job.
        job: JobId,
        /// Who and why.
        actor: Actor,
    },
    /// Put an open job before others, or behind them.
    Reprioritize {
        /// The tenant.
        tenant: TenantNo,
        /// The job.
        job: JobId,
        /// Its priority from now on.
        priority: Priority,
        /// Who and why.
        actor: Actor,
    },
    /// "Again": a job in back-off is tried now; a final one becomes a new job with this id.
    Retry {
        /// The tenant.
        tenant: TenantNo,
        /// The job.
        job: JobId,
        /// The new job's id, if one is made.
        new_id: JobId,
        /// A key for the call.
        key: Option<KeyUse>,
    },
    /// Send a dead letter round again as a new job with this id.
    ReplayDeadLetter {
        /// The tenant.
        tenant: TenantNo,
        /// The job that failed.
        job: JobId,
        /// The new job's id.
        new_id: JobId,
        /// Who and why.
        actor: Actor,
    },
    /// Put a dead letter away.
    DiscardDeadLetter {
        /// The tenant.
        tenant: TenantNo,
        /// The job that failed.
        job: JobId,
        /// Who and why.
        actor: Actor,
    },
    /// Hold work back.
    Pause {
        /// The tenant.
        tenant: TenantNo,
        /// What.
        target: PauseTarget,
        /// Who and why.
        actor: Actor,
    },
    /// Let it go on.
    Resume {
        /// The tenant.
        tenant: TenantNo,
        /// What.
        target: PauseTarget,
        /// Who and why.
        actor: Actor,
    },
    /// Hold work to limits for a while.
    Throttle {
        /// The tenant.
        tenant: TenantNo,
        /// What.
        target: PauseTarget,
        /// To which.
        limits: ThrottleLimits,
        /// Who and why.
        actor: Actor,
    },
    /// End that before its time.
    EndThrottle {
        /// The tenant.
        tenant: TenantNo,
        /// Of what.
        target: PauseTarget,
        /// Who and why.
        actor: Actor,
    },
    /// Let a target's lanes weigh as if their jobs had this priority, for a while.
    Prioritize {
        /// The tenant.
        tenant: TenantNo,
        /// What.
        target: PauseTarget,
        /// The priority.
        priority: Priority,
        /// Until when.
        until: Timestamp,
        /// Who and why.
        actor: Actor,
    },
    /// End that before its time.
    EndPriority {
        /// The tenant.
        tenant: TenantNo,
        /// Of what.
        target: PauseTarget,
        /// Who and why.
        actor: Actor,
    },
    /// Allot a tenant its share beside others.
    AllotTenant {
        /// The tenant.
        tenant: TenantNo,
        /// What.
        #[serde(with = "json_text")]
        allotment: Allotment,
        /// Who and why.
        actor: Actor,
    },
    /// Say how far a source has been read, also back.
    PutWatermark {
        /// The tenant.
        tenant: TenantNo,
        /// The source.
        source: String,
        /// Which of its watermarks.
        axis: Axis,
        /// All of it.
        watermark: Watermark,
        /// What must hold.
        expect: Expect,
        /// Who and why.
        actor: Actor,
    },
    /// Mark a tenant for deletion.
    MarkTenant {
        /// The tenant.
        tenant: TenantNo,
        /// Who.
        actor: Actor,
    },
    /// Take the mark back, while that is possible.
    RestoreTenant {
        /// The tenant.
        tenant: TenantNo,
        /// Who.
        actor: Actor,
    },
    /// Give a worker session nothing more, and tell it.
    Drain {
        /// The caller's tenant.
        tenant: TenantNo,
        /// The session.
        session: SessionId,
    },
    /// Permits for the tenants of another shard; sent by it to the home of shared hosts.
    Permits(PermitAsk),
    /// What the home answered.
    TakePermits(Permits),
    /// Let time pass: due jobs, expired leases, deadlines, time-outs, graces.
    Tick,
    /// Read from the owner's memory.
    Read(Read),
}

impl Command {
    /// The tenant that the command is about; for what workers send, the one that their session's token names.
    #[must_use]
    pub fn home(&self) -> TenantNo {
        match self {
            Self::RevokeToken { tenant, .. }
            | Self::PutConfig { tenant, .. }
            | Self::DeleteConfig { tenant, .. }
            | Self::Enqueue { tenant, .. }
            | Self::Cancel { tenant, .. }
            | Self::Reprioritize { tenant, .. }
            | Self::Retry { tenant, .. }
            | Self::ReplayDeadLetter { tenant, .. }
            | Self::DiscardDeadLetter { tenant, .. }
            | Self::Pause { tenant, .. }
            | Self::Resume { tenant, .. }
            | Self::Throttle { tenant, .. }
            | Self::EndThrottle { tenant, .. }
            | Self::Prioritize { tenant, .. }
            | Self::EndPriority { tenant, .. }
            | Self::AllotTenant { tenant, .. }
            | Self::PutWatermark { tenant, .. }
            | Self::MarkTenant { tenant, .. }
            | Self::RestoreTenant { tenant, .. }
            | Self::ResetBucket { tenant, .. }
            | Self::TripBreaker { tenant, .. }
            | Self::ResetBreaker { tenant, .. }
            | Self::PauseSchedule { tenant, .. }
            | Self::StartRun { tenant, .. }
            | Self::CancelRun { tenant, .. }
            | Self::PauseRun { tenant, .. }
            | Self::DecideApproval { tenant, .. }
            | Self::CreateBackfill { tenant, .. }
            | Self::PauseBackfill { tenant, .. }
            | Self::CancelBackfill { tenant, .. }
            | Self::Replay { tenant, .. }
            | Self::Drain { tenant, .. } => *tenant,
            Self::CreateToken(row) => row.tenant,
            Self::OpenSession(params) => params.session.tenant(),
            Self::Claim(params) => params.session.tenant(),
            Self::FollowUps { token, tenants, .. }
            | Self::Log { token, tenants, .. }
            | Self::Upstream { token, tenants, .. }
            | Self::CheckLease { token, tenants }
                if speaks_for(tenants, token.tenant) =>
            {
                token.tenant
            }
            Self::FollowUps { tenants, .. }
            | Self::Log { tenants, .. }
            | Self::Upstream { tenants, .. }
            | Self::CheckLease { tenants, .. }
            | Self::Ack { tenants, .. }
            | Self::Heartbeat { tenants, .. }
            | Self::Complete { tenants, .. }
            | Self::Release { tenants, .. } => tenants.first().copied().unwrap_or(TenantNo::SYSTEM),
            Self::Read(read) => read.tenant(),
            // For no tenant.
            Self::CreateTenant(_) | Self::Permits(_) | Self::TakePermits(_) | Self::Tick => TenantNo::SYSTEM,
        }
    }

    /// Sent by a worker, of its session or its attempts.
    #[must_use]
    pub fn by_worker(&self) -> bool {
        matches!(
            self,
            Self::OpenSession(_)
                | Self::Claim(_)
                | Self::Ack { .. }
                | Self::Heartbeat { .. }
                | Self::Complete { .. }
                | Self::Release { .. }
                | Self::FollowUps { .. }
                | Self::Log { .. }
                | Self::Upstream { .. }
                | Self::CheckLease { .. }
        )
    }
}

/// Whether one who acts for `tenants` may act for this one: who acts for `system` acts for the whole platform.
#[must_use]
pub fn speaks_for(tenants: &[TenantNo], no: TenantNo) -> bool {
    tenants.contains(&no) || tenants.contains(&TenantNo::SYSTEM)
}
