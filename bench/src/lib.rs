//! What the measuring programs share: the clock, counters of processes, the machine, a database of their own; and the
//! measurement of the peers, which reports call too.
//!
//! Measuring the orchestrator itself is in the programs: `orch-bench` (the load driver) and `ledger_shapes`.

pub mod clock;
pub mod machine;
pub mod peers;
pub mod postgres;
pub mod process;
