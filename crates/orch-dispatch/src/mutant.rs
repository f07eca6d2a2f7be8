//! Planted bugs, so that the tests can show that they would find them. Compiled out unless the feature is on.
//!
//! Each names the sentence of the design that it breaks. Never more than one is on.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Expire leases without counting only the time in fact served.
    ReapWithoutGrace,
    /// Free an idempotency key when its job fails.
    KeyFreedOnFailure,
    /// Count a met dependency twice.
    EdgeCountedTwice,
    /// Leave the lane's head where it was at a grant, and the end of what was read into its window.
    HeadNotAdvanced,
    /// Compare a token with the owner's epoch instead of the lease's.
    TokenAgainstOwnerEpoch,
    /// Believe what prepare read although memory knows better: a parent that finished in between is missed.
    ParentFinishMissed,
    /// Give a job that enters its lane again its old order key.
    ReenterBelowHead,
    /// Forget a key or job of memory as soon as its append commits, with prepares still open.
    WarmForgottenEarly,
    /// Accept a report without comparing the attempt.
    AttemptNotCompared,
    /// Count a released attempt as a try.
    ReleaseCostsTry,
    /// Let a lost lease count as a try instead of by its own cap.
    LostCountsAsTry,
    /// Leave the concurrency slot taken when an attempt ends.
    SlotLeaked,
    /// Grant from a paused lane.
    PauseIgnored,
    /// Extend every lease of the session, not just the listed ones.
    HeartbeatExtendsAll,
    /// Skip no child when a parent failed.
    FailedParentUnblocks,
    /// Take the same result a second time as new.
    CompletionTwice,
    /// Do not save the waiting dependants in the snapshot.
    SnapshotWithoutDependants,
    /// Let a final job be canceled again.
    FinalNotFinal,
    /// Grant a job of a window although it was canceled after the window was read.
    CanceledFromWindow,
    /// Send an answer before its position is committed.
    AnswerBeforeCommit,
    /// Forget a canceled job while a window read that began before is still under way.
    WindowReadNotPinned,
    /// Leave the other lanes of a concurrency key open when one of them takes its last slot.
    SiblingLaneOpen,
    /// Let a time-out or an unheard lease send a job round again although its cancel was asked for.
    CancelForgotten,
    /// Answer for a key that is written without a fact before it is committed.
    KeyWithoutCommit,
    /// Let a heartbeat wait behind other commands for room in a commit.
    HeartbeatQueued,
    /// Begin to serve at the database's time although the ledger is ahead of it.
    LedgerTimeIgnored,
    /// Answer a repeated completion without the follow-up jobs that the first one made.
    FollowUpsForgotten,
    /// After a recovery, give leases the length of their grant although heartbeats were told a longer one.
    LongerLeaseForgotten,
    /// Forget, when a job ends between two attempts, which report ended the last one.
    LastReportForgotten,
    /// Read only the first tenant's part of what a worker's reports need.
    OtherTenantsUnread,
    /// Give every unheard lease back at no cost, also when its worker fell silent at the grant.
    UnheardIsFree,
    /// Tell a sweep that no fresh job of any lane waits.
    SweepIgnoresHead,
    /// Tell a sweep that no open job is held in memory.
    SweepIgnoresKeep,
    /// Spend of a bucket only for jobs that were never tried.
    BucketFreeForRetries,
    /// Keep what was spent of buckets in memory only.
    BucketNotSaved,
    /// Count a grant where it was made, though its request leaves later.
    BucketCountsEarly,
    /// Let one permit be used by every grant while it lasts.
    PermitUsedTwice,
    /// Use permits after they have ended.
    PermitUsedLate,
    /// Give permits to whoever comes first.
    HostWithoutTurns,
    /// Leave a quota's slot taken when an attempt ends.
    QuotaSlotLeaked,
    /// Grant beyond what quotas let be under way.
    QuotaIgnored,
    /// Count only first attempts towards what begins in an hour.
    HourFreeForRetries,
    /// Keep what began within an hour in memory only.
    HourNotSaved,
    /// Take jobs beyond a quota's backlog.
    BacklogIgnored,
    /// Keep what breakers know in memory only.
    BreakerNotSaved,
    /// Count a canary's failure as a try.
    CanaryCostsTry,
    /// Count failures as tries although a breaker is open.
    OpenCostsTry,
    /// Let more through while a canary is under way.
    TwoCanaries,
    /// Let everything through as soon as a canary has succeeded.
    RampIgnored,
    /// Tell breakers that an attempt that was given back failed.
    ReleaseCountsAsFailure,
    /// Forget declared blackouts when a snapshot is read.
    BlackoutIgnoredAfterRecovery,
    /// Hand out until a window begins although a drain has a lead.
    BlackoutLeadForgotten,
    /// Let attempts go on in the window of a blackout that cancels.
    BlackoutCancelForgotten,
    /// Keep to a blackout's calendar as it was before it was declared anew.
    BlackoutOfOldVersion,
    /// Grant beyond what a throttle lets be under way.
    ThrottleIgnoresActive,
    /// Count only first attempts towards what begins in a throttled minute.
    ThrottleFreeForRetries,
    /// Forget throttles when a snapshot is read.
    ThrottleLostAtRecovery,
    /// Do not look at parked claims again when a gate opens by itself.
    OpeningForgotten,
    /// Do not look at parked claims again when a slot comes free.
    SlotUnheard,
    /// Forget how long attempts take when a snapshot is read.
    RunTimesNotSaved,
    /// Take how long failed attempts took for how long work takes.
    RunTimesOfFailures,
    /// Want more workers than the gates let work.
    WorkersBeyondLimits,
    /// Grant beyond what a bucket lets be under way at its host.
    FlightIgnored,
    /// Leave what may be under way as it was when an upstream refuses.
    FlightCutForgotten,
    /// Count an attempt as under way at its host after it has ended.
    FlightSlotLeaked,
    /// Count only handed-out jobs of a key whose newest is to be dropped.
    DropIgnoresWaiting,
    /// Forget which jobs of a key are open when a snapshot is read.
    KeysForgottenAtRecovery,
    /// Let the newest jobs of a key make way instead of the oldest.
    NewestSuperseded,
    /// Let attempts go on although a newer job of their key took their place.
    RunningNotSuperseded,
    /// Leave a job that moved to another lane in the window of the one it left.
    MovedStaysInWindow,
    /// Forget priorities of targets when a snapshot is read.
    PriorityLostAtRecovery,
    /// Hand out beyond what the platform lets a tenant have under way.
    AllotmentIgnored,
    /// Let work that is not urgent spend what is kept for urgent work.
    ReserveForAll,
    /// Take keys for new that lie in the ledger and were not read yet after a take-over.
    KeysUnreadAreNew,
    /// Take keys for new that were used since the take-over.
    UsedKeysAreNew,
    /// Accept the job of a nominal instant without noting that it is decided.
    FiringNotNoted,
    /// Pass over nominal instants that are skipped without a word.
    SkipsNotNoted,
    /// Ask for a job although one of the schedule is open.
    OverlapIgnored,
    /// Let a paused schedule fire.
    PausedFires,
    /// Go on with the instants after a recovery from the moment of the recovery.
    SchedulesNotSaved,
    /// Let a report move a watermark wherever that is.
    WatermarkWithoutCompare,
    /// Let a report take a watermark back.
    WatermarkGoesBack,
    /// Keep watermarks in memory only.
    WatermarkNotSaved,
    /// Do not go on after a recovery with what was to be done in runs.
    RunsNotGoneOnWith,
    /// Begin steps, and let jobs into their lanes, while their run is held.
    PausedRunGoesOn,
    /// Do not ask the jobs of a canceled run to stop.
    CanceledRunGoesOn,
    /// Do not tell a run that a job of it was canceled.
    RunUntold,
    /// Look into no results.
    FoundNotKept,
    /// Let an approval wait longer than it may.
    ApprovalWaitsForEver,
    /// Take a decision of whoever comes.
    AnybodyApproves,
    /// Begin another run for the same token, graph and inputs.
    RunTokenForgotten,
    /// Forget what backfills read.
    WindowNotNoted,
    /// Open more windows of a backfill than may be.
    WindowsWithoutBound,
    /// Begin windows while their backfill is held.
    PausedBackfillGoesOn,
    /// Do not ask open windows of a canceled backfill to stop.
    CanceledBackfillGoesOn,
    /// Let two backfills read the same.
    BackfillsOverlap,
    /// Let backfills have their turn among others.
    BackfillsInTurn,
}

impl Mutant {
    /// Those that only worlds with runs can find.
    pub const OF_RUNS: [Self; 8] = [
        Self::RunsNotGoneOnWith,
        Self::PausedRunGoesOn,
        Self::CanceledRunGoesOn,
        Self::RunUntold,
        Self::FoundNotKept,
        Self::ApprovalWaitsForEver,
        Self::AnybodyApproves,
        Self::RunTokenForgotten,
    ];

    /// Those that only worlds with backfills can find.
    pub const OF_BACKFILLS: [Self; 6] = [
        Self::WindowNotNoted,
        Self::WindowsWithoutBound,
        Self::PausedBackfillGoesOn,
        Self::CanceledBackfillGoesOn,
        Self::BackfillsOverlap,
        Self::BackfillsInTurn,
    ];

    /// All of them.
    pub const ALL: [Self; 97] = [
        Self::ReapWithoutGrace,
        Self::KeyFreedOnFailure,
        Self::EdgeCountedTwice,
        Self::HeadNotAdvanced,
        Self::TokenAgainstOwnerEpoch,
        Self::ParentFinishMissed,
        Self::ReenterBelowHead,
        Self::WarmForgottenEarly,
        Self::AttemptNotCompared,
        Self::ReleaseCostsTry,
        Self::LostCountsAsTry,
        Self::SlotLeaked,
        Self::PauseIgnored,
        Self::HeartbeatExtendsAll,
        Self::FailedParentUnblocks,
        Self::CompletionTwice,
        Self::SnapshotWithoutDependants,
        Self::FinalNotFinal,
        Self::CanceledFromWindow,
        Self::AnswerBeforeCommit,
        Self::WindowReadNotPinned,
        Self::SiblingLaneOpen,
        Self::CancelForgotten,
        Self::KeyWithoutCommit,
        Self::HeartbeatQueued,
        Self::LedgerTimeIgnored,
        Self::FollowUpsForgotten,
        Self::LongerLeaseForgotten,
        Self::LastReportForgotten,
        Self::OtherTenantsUnread,
        Self::UnheardIsFree,
        Self::SweepIgnoresHead,
        Self::SweepIgnoresKeep,
        Self::BucketFreeForRetries,
        Self::BucketNotSaved,
        Self::BucketCountsEarly,
        Self::QuotaSlotLeaked,
        Self::QuotaIgnored,
        Self::HourFreeForRetries,
        Self::HourNotSaved,
        Self::BacklogIgnored,
        Self::PermitUsedTwice,
        Self::PermitUsedLate,
        Self::HostWithoutTurns,
        Self::BreakerNotSaved,
        Self::CanaryCostsTry,
        Self::OpenCostsTry,
        Self::TwoCanaries,
        Self::RampIgnored,
        Self::ReleaseCountsAsFailure,
        Self::BlackoutIgnoredAfterRecovery,
        Self::BlackoutLeadForgotten,
        Self::BlackoutCancelForgotten,
        Self::BlackoutOfOldVersion,
        Self::ThrottleIgnoresActive,
        Self::ThrottleFreeForRetries,
        Self::ThrottleLostAtRecovery,
        Self::OpeningForgotten,
        Self::SlotUnheard,
        Self::RunTimesNotSaved,
        Self::RunTimesOfFailures,
        Self::WorkersBeyondLimits,
        Self::FlightIgnored,
        Self::FlightCutForgotten,
        Self::FlightSlotLeaked,
        Self::DropIgnoresWaiting,
        Self::KeysForgottenAtRecovery,
        Self::NewestSuperseded,
        Self::RunningNotSuperseded,
        Self::MovedStaysInWindow,
        Self::PriorityLostAtRecovery,
        Self::AllotmentIgnored,
        Self::ReserveForAll,
        Self::KeysUnreadAreNew,
        Self::UsedKeysAreNew,
        Self::FiringNotNoted,
        Self::SkipsNotNoted,
        Self::OverlapIgnored,
        Self::PausedFires,
        Self::SchedulesNotSaved,
        Self::WatermarkWithoutCompare,
        Self::WatermarkGoesBack,
        Self::WatermarkNotSaved,
        Self::RunsNotGoneOnWith,
        Self::PausedRunGoesOn,
        Self::CanceledRunGoesOn,
        Self::RunUntold,
        Self::FoundNotKept,
        Self::ApprovalWaitsForEver,
        Self::AnybodyApproves,
        Self::RunTokenForgotten,
        Self::WindowNotNoted,
        Self::WindowsWithoutBound,
        Self::PausedBackfillGoesOn,
        Self::CanceledBackfillGoesOn,
        Self::BackfillsOverlap,
        Self::BackfillsInTurn,
    ];
}

#[cfg(feature = "mutants")]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread's dispatchers, or removes it.
    pub fn plant(mutant: Option<Mutant>) {
        ON.with(|on| on.set(mutant));
    }

    /// Is this bug planted?
    pub(crate) fn on(mutant: Mutant) -> bool {
        ON.with(Cell::get) == Some(mutant)
    }
}

#[cfg(feature = "mutants")]
pub use switch::plant;

#[cfg(feature = "mutants")]
pub(crate) use switch::on;

#[cfg(not(feature = "mutants"))]
pub(crate) const fn on(_: Mutant) -> bool {
    false
}
