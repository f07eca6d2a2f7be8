//! The arithmetic of gates: what a bucket, a breaker or an adaptive limit admits at a moment, and when it will next.
//!
//! Pure and deterministic: moments are arguments, state is plain data that can be saved, and equal histories give equal
//! states. Nothing here knows of jobs, lanes or tenants; the dispatcher says what was granted and what came of it.
//!
//! Every gate errs towards admitting less: a grant is counted at the earliest moment at which its request may reach the
//! upstream, and windows are longer than the upstream's own by a guard, because a request takes a while to get there.

pub mod adaptive;
pub mod allotment;
mod beginnings;
pub mod blackout;
pub mod breaker;
pub mod bucket;
pub mod calendar;
pub mod closure;
pub mod flight;
pub mod latency;
pub mod mutant;
pub mod pace;
pub mod run_times;
pub mod timetable;
pub mod window;
pub mod workforce;
pub mod zones;

pub use adaptive::{Adaptive, Cut, CutCause};
pub use breaker::{Breaker, BreakerPolicy, BreakerState};
pub use bucket::Bucket;
pub use calendar::Calendar;
pub use latency::Latency;
pub use orch_core::term::{Slow, Term};
pub use run_times::RunTimes;
pub use timetable::Timetable;
