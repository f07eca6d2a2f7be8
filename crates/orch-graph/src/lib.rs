//! The rules of graphs and runs: in which order steps come, when one starts, what becomes of it, and what a run comes
//! to.
//!
//! Pure and deterministic: nothing here knows of jobs, leases or time. The caller makes a job for each `Action::Start`,
//! says how each ended, and keeps the `Run`, which is plain data. Begin with `run.rs`; the rules in words are in
//! `docs/concepts/graphs.md`, what a graph must look like is in `orch_core::graph`.

pub mod approval;
pub mod condition;
pub mod critical_path;
mod found;
pub mod identity;
pub mod mutant;
pub mod payload;
pub mod plan;
pub mod repair;
pub mod run;
pub mod trigger;

pub use plan::Plan;
pub use repair::{Repair, RepairKind};
pub use run::{Action, End, Outcome, Run, RunOutcome};
pub use trigger::{Decision, SkipReason, Tally, decide};
