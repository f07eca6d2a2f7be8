//! Planted bugs, so that the tests can show that they would find them. Compiled out unless the feature is on.
//!
//! Each names the sentence that it breaks. Never more than one is on.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// What was skipped because of a failure looks like what was not chosen.
    FailureLooksHarmless,
    /// Skip as soon as one before was skipped, although another may still fail.
    SkippedTooEarly,
    /// Take a cancel for a failure.
    CanceledIsFailed,
    /// Start although all before were skipped.
    NoSuccessNeeded,
    /// Start all steps when the last before them ended, those that need a failure too.
    FailureWaitsForAll,
    /// Follow every edge, whatever its condition says.
    ConditionIgnored,
    /// What is not there is not equal to anything.
    MissingIsNotEqual,
    /// A disabled step counts as one that succeeded.
    DisabledSucceeds,
    /// Hand out one item more than may be open.
    OneItemTooMany,
    /// Take lists of any length.
    ListWithoutBound,
    /// A map ends when its last item was handed out and one ended.
    MapEndsEarly,
    /// A map succeeds when one of its items does.
    MapForgivesFailures,
    /// A canceled run goes on with its maps.
    CanceledMapGoesOn,
    /// A step that comes after a failure whatever happens makes it good.
    CleaningUpIsHandling,
    /// A failure is handled by what was asked to handle it, even if that failed.
    FailedHandlerHandles,
    /// A repair keeps what was skipped because of a failure.
    SkippedIsKept,
    /// Another input makes only the steps run again that use it.
    InputStopsAtStep,
    /// A repair of failed items begins the whole list again.
    WholeListAgain,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::FailureLooksHarmless,
        Self::SkippedTooEarly,
        Self::CanceledIsFailed,
        Self::NoSuccessNeeded,
        Self::FailureWaitsForAll,
        Self::ConditionIgnored,
        Self::MissingIsNotEqual,
        Self::DisabledSucceeds,
        Self::OneItemTooMany,
        Self::ListWithoutBound,
        Self::MapEndsEarly,
        Self::MapForgivesFailures,
        Self::CanceledMapGoesOn,
        Self::CleaningUpIsHandling,
        Self::FailedHandlerHandles,
        Self::SkippedIsKept,
        Self::InputStopsAtStep,
        Self::WholeListAgain,
    ];
}

#[cfg(feature = "mutants")]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread's rules, or removes it.
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
