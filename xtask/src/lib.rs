//! Automation with an `if` in it: the gate, the demo, the kill test, the measurements, and what they start processes with.
//!
//! `cargo xtask` (see `.cargo/config.toml`). It links none of the workspace's crates, so that it compiles in seconds;
//! it knows the programs by their command lines only. `orch-chaos` takes processes and clusters from here.

pub mod apt;
pub mod bench;
pub mod cargo;
pub mod chance;
pub mod chaos;
pub mod clock;
pub mod demo;
pub mod faketime;
pub mod gate;
pub mod guard;
pub mod guides;
pub mod http;
pub mod kills;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod scratch;
pub mod site;
pub mod soak;
pub mod upgrade;
