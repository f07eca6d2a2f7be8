//! What the measuring programs share: the clock, and counters of processes.
//!
//! Measuring itself is in the programs: `orch-bench` (the load driver) and `ledger_shapes`.

pub mod clock;
pub mod process;
