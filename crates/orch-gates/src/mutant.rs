//! Planted bugs, so that the tests can show that they would find them. Compiled out unless the feature is on.
//!
//! Each names the sentence that it breaks. Never more than one is on.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Keep the upstream's window without the guard.
    WindowWithoutGuard,
    /// Count every grant as one, whatever it costs.
    CostIgnored,
    /// Look only at the first of several terms.
    FirstTermOnly,
    /// Let a burst come on top of a full window's rate twice.
    BurstTwice,
    /// Cut once for each refusal, also for those of requests that left before the last cut.
    CutForOldRequests,
    /// Let requests follow each other at the whole of the terms after a cut.
    ShareIgnored,
    /// Forget that a host was closed when it is cut.
    ClosureForgotten,
    /// Let more than one canary through.
    ManyCanaries,
    /// Open fully after a canary's success.
    NoRamp,
    /// Count what ended while the breaker is open.
    OldOutcomesCount,
    /// Close a host for all when one tenant says so.
    OneTenantCloses,
    /// Admit at the moment that was asked for although a later one was granted already.
    BackInTime,
    /// Raise what may be under way by one after each success.
    FlightRisesAtOnce,
    /// Take what is slow for the way an upstream usually is.
    SlownessIsLearnt,
    /// Let a request spend what its rules keep for others.
    NothingKept,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::WindowWithoutGuard,
        Self::CostIgnored,
        Self::FirstTermOnly,
        Self::BurstTwice,
        Self::CutForOldRequests,
        Self::ShareIgnored,
        Self::ClosureForgotten,
        Self::ManyCanaries,
        Self::NoRamp,
        Self::OldOutcomesCount,
        Self::OneTenantCloses,
        Self::BackInTime,
        Self::FlightRisesAtOnce,
        Self::SlownessIsLearnt,
        Self::NothingKept,
    ];
}

#[cfg(feature = "mutants")]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread's gates, or removes it.
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
