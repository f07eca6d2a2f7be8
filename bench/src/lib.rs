//! What the measuring programs share: the clock, counters of processes, the machine, a database of their own.
//!
//! Measuring itself is in the programs: `orch-bench` (the load driver) and `ledger_shapes`.

pub mod clock;
pub mod machine;
pub mod postgres;
pub mod process;
