//! Planted bugs, so that the tests can show that they would find them. Compiled out unless the feature is on.
//!
//! Each names the sentence of the design that it breaks. Never more than one is on.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Mutant {
    /// Expire leases without counting only the time in fact served.
    ReapWithoutGrace = 1,
    /// Free an idempotency key when its job fails.
    KeyFreedOnFailure = 2,
    /// Count a met dependency twice.
    EdgeCountedTwice = 3,
    /// Leave the lane's head where it was at a grant, and the end of what was read into its window.
    HeadNotAdvanced = 4,
    /// Compare a token with the owner's epoch instead of the lease's.
    TokenAgainstOwnerEpoch = 5,
    /// Believe what prepare read although memory knows better: a parent that finished in between is missed.
    ParentFinishMissed = 6,
    /// Give a job that enters its lane again its old order key.
    ReenterBelowHead = 7,
    /// Forget a key or job of memory as soon as its append commits, with prepares still open.
    WarmForgottenEarly = 8,
    /// Accept a report without comparing the attempt.
    AttemptNotCompared = 9,
    /// Count a released attempt as a try.
    ReleaseCostsTry = 10,
    /// Let a lost lease count as a try instead of by its own cap.
    LostCountsAsTry = 11,
    /// Leave the concurrency slot taken when an attempt ends.
    SlotLeaked = 12,
    /// Grant from a paused lane.
    PauseIgnored = 13,
    /// Extend every lease of the session, not just the listed ones.
    HeartbeatExtendsAll = 14,
    /// Skip no child when a parent failed.
    FailedParentUnblocks = 15,
    /// Take the same result a second time as new.
    CompletionTwice = 16,
    /// Do not save the waiting dependants in the snapshot.
    SnapshotWithoutDependants = 17,
    /// Let a final job be canceled again.
    FinalNotFinal = 18,
    /// Grant a job of a window although it was canceled after the window was read.
    CanceledFromWindow = 19,
    /// Send an answer before its position is committed.
    AnswerBeforeCommit = 20,
    /// Forget a canceled job while a window read that began before is still under way.
    WindowReadNotPinned = 21,
    /// Leave the other lanes of a concurrency key open when one of them takes its last slot.
    SiblingLaneOpen = 22,
    /// Let a time-out or an unheard lease send a job round again although its cancel was asked for.
    CancelForgotten = 23,
    /// Answer for a key that is written without a fact before it is committed.
    KeyWithoutCommit = 24,
    /// Let a heartbeat wait behind other commands for room in a commit.
    HeartbeatQueued = 25,
    /// Begin to serve at the database's time although the ledger is ahead of it.
    LedgerTimeIgnored = 26,
    /// Answer a repeated completion without the follow-up jobs that the first one made.
    FollowUpsForgotten = 27,
    /// After a recovery, give leases the length of their grant although heartbeats were told a longer one.
    LongerLeaseForgotten = 28,
    /// Forget, when a job ends between two attempts, which report ended the last one.
    LastReportForgotten = 29,
    /// Read only the first tenant's part of what a worker's reports need.
    OtherTenantsUnread = 30,
    /// Give every unheard lease back at no cost, also when its worker fell silent at the grant.
    UnheardIsFree = 31,
    /// Tell a sweep that no fresh job of any lane waits.
    SweepIgnoresHead = 32,
    /// Tell a sweep that no open job is held in memory.
    SweepIgnoresKeep = 33,
    /// Spend of a bucket only for jobs that were never tried.
    BucketFreeForRetries = 36,
    /// Keep what was spent of buckets in memory only.
    BucketNotSaved = 37,
    /// Count a grant where it was made, though its request leaves later.
    BucketCountsEarly = 38,
    /// Let one permit be used by every grant while it lasts.
    PermitUsedTwice = 39,
    /// Use permits after they have ended.
    PermitUsedLate = 40,
    /// Give permits to whoever comes first.
    HostWithoutTurns = 41,
    /// Leave a quota's slot taken when an attempt ends.
    QuotaSlotLeaked = 42,
    /// Grant beyond what quotas let be under way.
    QuotaIgnored = 43,
    /// Count only first attempts towards what begins in an hour.
    HourFreeForRetries = 44,
    /// Keep what began within an hour in memory only.
    HourNotSaved = 45,
    /// Take jobs beyond a quota's backlog.
    BacklogIgnored = 46,
    /// Keep what breakers know in memory only.
    BreakerNotSaved = 50,
    /// Count a canary's failure as a try.
    CanaryCostsTry = 51,
    /// Count failures as tries although a breaker is open.
    OpenCostsTry = 52,
    /// Let more through while a canary is under way.
    TwoCanaries = 53,
    /// Let everything through as soon as a canary has succeeded.
    RampIgnored = 54,
    /// Tell breakers that an attempt that was given back failed.
    ReleaseCountsAsFailure = 55,
    /// Forget declared blackouts when a snapshot is read.
    BlackoutIgnoredAfterRecovery = 56,
    /// Hand out until a window begins although a drain has a lead.
    BlackoutLeadForgotten = 57,
    /// Let attempts go on in the window of a blackout that cancels.
    BlackoutCancelForgotten = 58,
    /// Keep to a blackout's calendar as it was before it was declared anew.
    BlackoutOfOldVersion = 59,
    /// Grant beyond what a throttle lets be under way.
    ThrottleIgnoresActive = 60,
    /// Count only first attempts towards what begins in a throttled minute.
    ThrottleFreeForRetries = 61,
    /// Forget throttles when a snapshot is read.
    ThrottleLostAtRecovery = 62,
    /// Do not look at parked claims again when a gate opens by itself.
    OpeningForgotten = 99,
    /// Do not look at parked claims again when a slot comes free.
    SlotUnheard = 98,
    /// Forget how long attempts take when a snapshot is read.
    RunTimesNotSaved = 90,
    /// Take how long failed attempts took for how long work takes.
    RunTimesOfFailures = 91,
    /// Want more workers than the gates let work.
    WorkersBeyondLimits = 92,
    /// Grant beyond what a bucket lets be under way at its host.
    FlightIgnored = 80,
    /// Leave what may be under way as it was when an upstream refuses.
    FlightCutForgotten = 81,
    /// Count an attempt as under way at its host after it has ended.
    FlightSlotLeaked = 82,
    /// Count only handed-out jobs of a key whose newest is to be dropped.
    DropIgnoresWaiting = 70,
    /// Forget which jobs of a key are open when a snapshot is read.
    KeysForgottenAtRecovery = 71,
    /// Let the newest jobs of a key make way instead of the oldest.
    NewestSuperseded = 72,
    /// Let attempts go on although a newer job of their key took their place.
    RunningNotSuperseded = 73,
    /// Leave a job that moved to another lane in the window of the one it left.
    MovedStaysInWindow = 74,
    /// Forget priorities of targets when a snapshot is read.
    PriorityLostAtRecovery = 75,
    /// Hand out beyond what the platform lets a tenant have under way.
    AllotmentIgnored = 121,
    /// Let work that is not urgent spend what is kept for urgent work.
    ReserveForAll = 122,
    /// Take keys for new that lie in the ledger and were not read yet after a take-over.
    KeysUnreadAreNew = 34,
    /// Take keys for new that were used since the take-over.
    UsedKeysAreNew = 35,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 75] = [
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
