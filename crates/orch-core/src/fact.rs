//! Facts: the entries of a tenant's sequence, and the only thing that changes state when applied.
//!
//! A fact's bytes are canonical JSON (RFC 8785): members stand in sorted order in each struct below, numbers are
//! integers, so that plain `serde_json` writes the canonical form; tests compare it with a canonicaliser.

mod kind;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::allotment::{Allotment, WEIGHT_USUAL};
use crate::backfill::{BackfillSpec, WindowOf};
use crate::config::{ConfigDoc, ConfigKind};
use crate::fairness::Receipt;
use crate::ids::{BackfillId, ClaimId, JobId, LaneNo, RunId, SessionId, StepNo, TenantId, TenantNo, TokenId};
use crate::job::{AttemptOutcome, Dependency, JobError, JobState, LaneKey, Origin, Priority};
use crate::run::{Counts, Fault, Outcome, PartOf, RunOutcome, RunSpec, SkipReason, Verdict};
use crate::schedule::{Firing, SkipCause};
use crate::term::{CutCause, Slow};
use crate::time::Timestamp;
use crate::watermark::{Axis, Range};

/// The version of the rules that decide; rises when the same commands would lead to other facts.
pub const RULES_VERSION: u32 = 1;

/// One entry of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The owner's time of the decision.
    pub at: Timestamp,
    /// What happened.
    pub body: Fact,
    /// How many config changes the sequence had seen.
    pub config_version: u64,
    /// The rules that decided.
    pub rules_version: u32,
    /// Its place in the sequence, from 1, without gaps.
    pub seq: u64,
}

impl Record {
    /// Appends the canonical bytes.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("facts hold only strings, integers and lists, which JSON can hold");
    }
}

/// What can be paused, or throttled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseTarget {
    /// All work of the tenant.
    Tenant,
    /// Jobs of a source, by name.
    Source(String),
    /// Jobs of a type, by name.
    JobType(String),
    /// One lane.
    Lane(LaneNo),
    /// What a quota covers, by the quota's name.
    Quota(String),
}

/// Why a waiting job became ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyCause {
    /// Its dependencies are met.
    Unblocked,
    /// Its moment came.
    Due,
    /// Somebody said "now".
    Asked,
}

/// What becomes of a job after an attempt that was not its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextTry {
    /// Back into its lane at once.
    Now,
    /// Waits until then.
    At(Timestamp),
}

/// Why a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The worker's report ended it.
    Reported,
    /// Its tries are spent.
    TriesSpent,
    /// The error said that no other try makes sense.
    NotRetryable,
    /// Its lost leases reached their cap.
    WorkerLost,
    /// Its deadline passed.
    Deadline,
    /// A cancel was asked for.
    Canceled,
    /// A cancel's grace ran out.
    CancelGrace,
    /// A dependency made it pointless.
    Dependency,
    /// It was accepted while as many jobs of its concurrency key were open as may run.
    Dropped,
    /// A newer job of its concurrency key took its place.
    Superseded,
}

/// How a dead letter was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// Sent round again as this job.
    Replayed(JobId),
    /// Put away.
    Discarded,
}

/// What happened. Externally tagged: `{"job_enqueued":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The tenant came to be; always the first fact of its sequence.
    TenantCreated {
        /// Its name.
        name: String,
        /// Its id.
        tenant: TenantId,
    },
    /// A declared thing has a new version.
    ConfigSet {
        /// The whole new document.
        doc: ConfigDoc,
        /// Its version, from 1.
        version: u64,
    },
    /// An API token was made; its secret is nowhere in history.
    TokenCreated {
        /// When it ends.
        expires_at: Option<Timestamp>,
        /// Text for people.
        name: String,
        /// What it allows.
        scopes: Vec<String>,
        /// Its id.
        token: TokenId,
    },
    /// An API token was revoked.
    TokenRevoked {
        /// Its id.
        token: TokenId,
    },
    /// A lane has its first job.
    LaneOpened {
        /// What its jobs have in common.
        key: LaneKey,
        /// Its number.
        lane: LaneNo,
    },
    /// A job was accepted.
    JobEnqueued {
        /// Correlates jobs of one cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correlation_id: Option<String>,
        /// It must be final by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
        /// What it waits for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        depends_on: Vec<Dependency>,
        /// The firing that asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        firing: Option<Firing>,
        /// The job.
        job: JobId,
        /// Free labels.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
        /// Its lane.
        lane: LaneNo,
        /// Not before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
        /// Which of `depends_on` (by index, rising) were not final yet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        open_parents: Vec<u32>,
        /// Where it comes from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// Which part of a run it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<PartOf>,
        /// SHA-256 of its payload.
        payload_sha256: String,
        /// `blocked`, `scheduled` or `ready`.
        state: JobState,
        /// The window of a backfill that it reads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<WindowOf>,
    },
    /// A waiting job went into its lane; its order key is this fact's seq.
    JobReady {
        /// Why.
        cause: ReadyCause,
        /// The job.
        job: JobId,
        /// Seq of the job's fact before this one.
        prev: u64,
    },
    /// A job whose dependencies are met waits for its moment.
    JobScheduled {
        /// The moment.
        at: Timestamp,
        /// The job.
        job: JobId,
        /// Seq of the job's fact before this one.
        prev: u64,
    },
    /// A job was handed out.
    LeaseGranted {
        /// The attempt, from 1.
        attempt: u32,
        /// The grant counts as the worker's acknowledgement.
        auto_ack: bool,
        /// A breaker that was open lets it through, to see whether the upstream is well again.
        #[serde(default, skip_serializing_if = "is_false")]
        canary: bool,
        /// The claim call that asked.
        claim: ClaimId,
        /// The owner's epoch, part of the token.
        epoch: u64,
        /// The job.
        job: JobId,
        /// Its lane.
        lane: LaneNo,
        /// The lease's length.
        lease_ms: u64,
        /// The attempt's first request does not leave later: it would come too close to others that are counted later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leave_by: Option<Timestamp>,
        /// The attempt's first request leaves then and not before; a bucket counts it there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
        /// The permit that it uses, where the platform's buckets govern its source's host: seq of that fact in the
        /// sequence of `system`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permit: Option<u64>,
        /// Seq of the job's fact before this one.
        prev: u64,
        /// Who got it.
        session: SessionId,
    },
    /// The worker acknowledged.
    LeaseAcked {
        /// The attempt.
        attempt: u32,
        /// The job.
        job: JobId,
        /// Seq of the job's fact before this one.
        prev: u64,
    },
    /// An attempt ended and the job goes on.
    AttemptEnded {
        /// The attempt.
        attempt: u32,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<JobError>,
        /// It failed, and costs no try: a breaker was open, or it was its canary.
        #[serde(default, skip_serializing_if = "is_false")]
        free: bool,
        /// For a lost lease: the last sign of life that was reckoned with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard_at: Option<Timestamp>,
        /// The job.
        job: JobId,
        /// What comes next.
        next: NextTry,
        /// How it ended.
        outcome: AttemptOutcome,
        /// Seq of the job's fact before this one.
        prev: u64,
        /// First 16 bytes of the report's fingerprint, in hexadecimal; only when a worker reported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<String>,
    },
    /// A job reached its final state.
    JobFinished {
        /// The last attempt, 0 if there was none.
        attempt: u32,
        /// Why.
        cause: EndCause,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<JobError>,
        /// What its run needs of its result: JSON text of those members that conditions and maps look into.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<String>,
        /// For a lost lease: the last sign of life that was reckoned with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard_at: Option<Timestamp>,
        /// The job.
        job: JobId,
        /// Its lane.
        lane: LaneNo,
        /// How the last attempt ended, if one was open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<AttemptOutcome>,
        /// Seq of the job's fact before this one.
        prev: u64,
        /// First 16 bytes of the report's fingerprint, in hexadecimal; only when a worker reported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<String>,
        /// SHA-256 of the result, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result_sha256: Option<String>,
        /// The final state.
        state: JobState,
    },
    /// A cancel of a handed-out job was asked for.
    CancelRequested {
        /// Who asked.
        by: String,
        /// Until then the worker may end it by itself.
        grace_until: Timestamp,
        /// The job.
        job: JobId,
        /// Seq of the job's fact before this one.
        prev: u64,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An open job has another priority: it is in another lane now, while it waits behind all that wait there.
    JobReprioritized {
        /// Who asked.
        by: String,
        /// Its lane before.
        from: LaneNo,
        /// The job.
        job: JobId,
        /// Its lane.
        lane: LaneNo,
        /// Seq of the job's fact before this one.
        prev: u64,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Something was paused.
    Paused {
        /// Who asked.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What.
        target: PauseTarget,
    },
    /// Something goes on.
    Resumed {
        /// Who asked.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What.
        target: PauseTarget,
    },
    /// A dead letter was settled.
    DeadLetterSettled {
        /// Who did.
        by: String,
        /// How.
        how: Settlement,
        /// The job that failed.
        job: JobId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The tenant was marked for deletion: it takes nothing new and hands nothing out.
    TenantMarked {
        /// Who asked.
        by: String,
        /// Until then it can be restored.
        erase_at: Timestamp,
    },
    /// The mark was taken back.
    TenantRestored {
        /// Who asked.
        by: String,
    },
    /// An upstream refused, or was slow: less of a bucket's terms is used, and more again as time passes.
    BucketCut {
        /// The bucket.
        bucket: String,
        /// Why.
        cause: CutCause,
        /// The share of the terms before, in parts of a thousand.
        from: u32,
        /// So many attempts may be under way at its host from now on, if that is limited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        in_flight: Option<u32>,
        /// The job whose request was refused, or whose answer was the last of the slow ones.
        job: JobId,
        /// How slow it was, where that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow: Option<Slow>,
        /// The share after.
        to: u32,
    },
    /// An upstream said "come again later": nothing leaves before.
    BucketClosed {
        /// The bucket.
        bucket: String,
        /// The job whose request it answered.
        job: JobId,
        /// Until when.
        until: Timestamp,
    },
    /// An operator opened a bucket at the whole of its terms.
    BucketReset {
        /// The bucket.
        bucket: String,
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A tenant got the right to one request to a host that the platform's buckets govern, and they were spent for it
    /// (only in the sequence of `system`).
    PermitGiven {
        /// What its buckets were charged.
        cost: u32,
        /// The host.
        host: String,
        /// The request leaves then and not before.
        leaves_at: Timestamp,
        /// Whose request.
        tenant: TenantNo,
        /// No request leaves under it later.
        until: Timestamp,
        /// It may spend of what is kept for urgent work, and is used by such work only.
        #[serde(default, skip_serializing_if = "is_false")]
        urgent: bool,
        /// The tenant's weight.
        #[serde(default = "usual_weight", skip_serializing_if = "is_usual_weight")]
        weight: u32,
    },
    /// A tenant reported that a host asked to be left alone: it gets no permits before (only in the sequence of `system`).
    HostClosed {
        /// The host.
        host: String,
        /// The job whose request it answered.
        job: JobId,
        /// Who reported it.
        tenant: TenantNo,
        /// Until when.
        until: Timestamp,
    },
    /// A declared thing is declared no more.
    ConfigDeleted {
        /// Who.
        by: String,
        /// Its kind.
        kind: ConfigKind,
        /// Its name.
        name: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The version that says so: one more than its last.
        version: u64,
    },
    /// An operator opened a breaker: nothing is handed out until it is reset.
    BreakerTripped {
        /// The breaker.
        breaker: String,
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An operator closed a breaker, with nothing counted.
    BreakerReset {
        /// The breaker.
        breaker: String,
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Something is held to limits for a while. It ends by itself; one with the same target takes its place.
    Throttled {
        /// Attempts under way at the same time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        active_max: Option<u32>,
        /// Who asked.
        by: String,
        /// Attempts that begin in any minute.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per_minute_max: Option<u32>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What.
        target: PauseTarget,
        /// From then on it does not hold any more.
        until: Timestamp,
    },
    /// An operator ended a throttle before its time.
    ThrottleEnded {
        /// Who asked.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Of what.
        target: PauseTarget,
    },
    /// Lanes weigh as if their jobs had this priority, for a while. It ends by itself; one with the same target takes its
    /// place.
    Prioritized {
        /// Who asked.
        by: String,
        /// The priority.
        priority: Priority,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What.
        target: PauseTarget,
        /// From then on its jobs' own priorities count.
        until: Timestamp,
    },
    /// An operator ended that before its time.
    PriorityEnded {
        /// Who asked.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Of what.
        target: PauseTarget,
    },
    /// The platform allotted the tenant its share beside others.
    TenantAllotted {
        /// What.
        allotment: Allotment,
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What the tenant was due and received within an hour so far, or in all of it. It takes the place of the one before
    /// of the same hour.
    FairnessNoted {
        /// The whole hour's so far.
        receipt: Receipt,
    },
    /// Nominal instants of a schedule that have no job: all from the first to the last.
    ScheduleSkipped {
        /// Why.
        cause: SkipCause,
        /// How many.
        count: u64,
        /// The first.
        first_at: Timestamp,
        /// The last.
        last_at: Timestamp,
        /// With `refused`: the refusal's code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refusal: Option<String>,
        /// The schedule.
        schedule: String,
    },
    /// A nominal instant waits for the schedule's open jobs.
    ScheduleBuffered {
        /// The nominal instant.
        nominal_at: Timestamp,
        /// The schedule.
        schedule: String,
    },
    /// A schedule was paused, by somebody or by itself.
    SchedulePaused {
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The schedule.
        schedule: String,
    },
    /// A schedule goes on.
    ScheduleResumed {
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The schedule.
        schedule: String,
    },
    /// A worker's report moved the watermark of its job's source.
    WatermarkAdvanced {
        /// The attempt that was reported.
        attempt: u32,
        /// Which of the source's watermarks.
        axis: Axis,
        /// Where it was, as the report expected it; nothing at its first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Where it is.
        high: Timestamp,
        /// All of its holes now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        holes: Vec<Range>,
        /// The job.
        job: JobId,
        /// Back to when the source was read.
        low: Timestamp,
        /// All of its repairs now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        repairs: Vec<Range>,
        /// The source.
        source: String,
        /// Its version, from 1.
        version: u64,
    },
    /// An operator set a watermark; it may have gone back.
    WatermarkSet {
        /// Which of the source's watermarks.
        axis: Axis,
        /// Who.
        by: String,
        /// Where it is; nothing: the source counts as never read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        high: Option<Timestamp>,
        /// All of its holes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        holes: Vec<Range>,
        /// A record that is found behind it by more than this is late.
        lateness_ms: u64,
        /// Back to when the source was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        low: Option<Timestamp>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// All of its repairs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        repairs: Vec<Range>,
        /// The source.
        source: String,
        /// Its version, from 1.
        version: u64,
    },
    /// A run began.
    RunStarted {
        /// Its graph.
        graph: String,
        /// The run.
        run: RunId,
        /// What was asked for.
        spec: Box<RunSpec>,
        /// The graph's version; 0: it came with the call.
        version: u64,
    },
    /// Steps of a run will not begin.
    StepsSkipped {
        /// Why.
        reason: SkipReason,
        /// The run.
        run: RunId,
        /// The steps.
        steps: Vec<StepNo>,
    },
    /// A part of a run ended without a job.
    PartFailed {
        /// More about it: the refusal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// Why.
        fault: Fault,
        /// The item's place in the list, where it is one of a map.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u32>,
        /// The run.
        run: RunId,
        /// The step.
        step: StepNo,
    },
    /// A map ended with the last of its items.
    MapEnded {
        /// How many ended how.
        counts: Counts,
        /// How it ended.
        outcome: Outcome,
        /// The run.
        run: RunId,
        /// The step.
        step: StepNo,
    },
    /// Somebody is asked whether a run goes on.
    ApprovalAsked {
        /// The run.
        run: RunId,
        /// The step.
        step: StepNo,
        /// No answer by then is a no.
        until: Timestamp,
    },
    /// It was decided.
    ApprovalDecided {
        /// Who decided; nobody, if it expired or was withdrawn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The run.
        run: RunId,
        /// The step.
        step: StepNo,
        /// What was decided.
        verdict: Verdict,
    },
    /// The end of a run was asked for: what has not begun does not, and what is under way is asked to stop.
    RunCancelRequested {
        /// Who asked.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The run.
        run: RunId,
    },
    /// A run is held: no step begins, and none of its jobs is handed out.
    RunPaused {
        /// Who asked.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The run.
        run: RunId,
    },
    /// A run goes on.
    RunResumed {
        /// Who asked.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The run.
        run: RunId,
    },
    /// A run ended with the last of its steps.
    RunFinished {
        /// How many of its steps ended how.
        counts: Counts,
        /// How it ended.
        outcome: RunOutcome,
        /// The run.
        run: RunId,
    },
    /// A backfill was asked for.
    BackfillCreated {
        /// The backfill.
        backfill: BackfillId,
        /// What was asked for.
        spec: Box<BackfillSpec>,
    },
    /// Windows of a backfill on end, in its order, are not read: they were read already.
    BackfillSkipped {
        /// The backfill.
        backfill: BackfillId,
        /// How many.
        count: u32,
        /// The place of the first in its order.
        place: u32,
    },
    /// A backfill is held, by somebody or by itself: no window begins.
    BackfillPaused {
        /// The backfill.
        backfill: BackfillId,
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A backfill goes on.
    BackfillResumed {
        /// The backfill.
        backfill: BackfillId,
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The end of a backfill was asked for: no window begins any more, and those that are open are asked to stop.
    BackfillCancelRequested {
        /// The backfill.
        backfill: BackfillId,
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A backfill ended with the last of its windows.
    BackfillFinished {
        /// The backfill.
        backfill: BackfillId,
        /// How many windows ended how; those that never began are canceled.
        counts: Counts,
        /// How it ended: failed, if a window did.
        outcome: RunOutcome,
    },
    /// Rows without facts of their own were written: checkpoints, log lines (only in the shard's own stream).
    RowsKept {
        /// Checkpoints.
        checkpoints: u64,
        /// Log chunks.
        logs: u64,
    },
    /// The arbiter gave a tenant its turn (only in the shard's own stream).
    Turn {
        /// Jobs granted in it.
        granted: u64,
        /// The tenant's virtual time after it.
        pass: u64,
        /// What the time is short of whole jobs, in parts of the tenant's weight.
        #[serde(default, skip_serializing_if = "is_zero")]
        rest: u32,
        /// The tenant.
        tenant: TenantNo,
    },
}

// The form that `skip_serializing_if` wants.
fn is_false(flag: &bool) -> bool {
    !flag
}

// The same.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

// The same.
fn is_usual_weight(weight: &u32) -> bool {
    *weight == WEIGHT_USUAL
}

// The form that `default` wants.
fn usual_weight() -> u32 {
    WEIGHT_USUAL
}

#[cfg(test)]
mod tests;
