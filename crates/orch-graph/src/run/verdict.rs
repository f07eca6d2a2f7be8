//! What a run comes to when all its steps ended.
//!
//! A failure is handled by a `one_failed` step after it that succeeded: directly after it, or after steps that were
//! skipped because of it, or past disabled ones. Steps that run whatever happens (`all_done`) clean up and tell; they
//! handle nothing. So a run does not look well because its last step, which always runs, did.

use orch_core::StepNo;
use orch_core::graph::Trigger;

use super::{End, Run, RunOutcome, StepState};
use crate::mutant::{self, Mutant};
use crate::plan::Plan;
use crate::trigger::SkipReason;

pub(super) fn verdict(plan: &Plan, run: &Run) -> RunOutcome {
    if run.canceled {
        return RunOutcome::Canceled;
    }
    // By step: what fails here is handled after it. Those after a step stand behind it in the plan's order.
    let mut handled = vec![false; run.steps.len()];
    let mut canceled = false;
    for step in plan.order().iter().rev() {
        handled[step.place()] = plan.after(*step).any(|child| handles(plan, run, child, &handled));
        match run.steps[step.place()] {
            StepState::Ended(End::Failed) if !handled[step.place()] => return RunOutcome::Failed,
            StepState::Ended(End::Canceled) => canceled = true,
            _ => {}
        }
    }
    if canceled { RunOutcome::Canceled } else { RunOutcome::Succeeded }
}

/// Whether a step handles what failed directly before it, or what is after it does.
fn handles(plan: &Plan, run: &Run, step: StepNo, handled: &[bool]) -> bool {
    let trigger = plan.step(step).trigger;
    let handler =
        trigger == Trigger::OneFailed || (mutant::on(Mutant::CleaningUpIsHandling) && trigger == Trigger::AllDone);
    match run.steps[step.place()] {
        StepState::PassedOver(_) | StepState::Ended(End::Skipped(SkipReason::UpstreamFailed)) => handled[step.place()],
        StepState::Ended(End::Succeeded) => handler,
        StepState::Ended(End::Failed) => handler && mutant::on(Mutant::FailedHandlerHandles),
        StepState::Waiting(_) | StepState::UnderWay | StepState::Ended(_) => false,
    }
}
