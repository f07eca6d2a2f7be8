//! The dispatcher: the tenant machine and the arbiter. Prepared commands and time in, facts and answers out.
//!
//! Pure and deterministic: no IO, no clock, no chance. `apply` is the only way state changes, live and at recovery.
//! Start at `shard.rs`; `apply.rs` is what recovery runs; `mutant.rs` plants bugs for the tests of the tests.

mod ageing;
mod allotment;
pub mod answer;
mod apply;
mod arbiter;
mod backfill;
pub mod blackout;
mod breaker;
mod bucket;
mod claim;
pub mod command;
mod concurrency;
mod decide;
mod deletion;
mod enqueue;
mod explain;
mod fair_queue;
mod fairness;
pub mod flight;
mod follow;
mod forecast;
mod host;
pub mod invariant;
mod job;
mod json_text;
mod key_filter;
mod lane;
pub mod mutant;
mod operate;
pub mod output;
pub mod owner;
mod permit;
mod precedence;
pub mod prepared;
mod priority;
mod quota;
mod read;
mod report;
pub mod run;
mod run_time;
pub mod schedule;
mod session;
pub mod shard;
pub mod simulate;
mod tenant;
mod tenants;
mod throttle;
mod tick;
mod usage;
mod waiting;
mod warm;
mod watermark;
mod wheel;
mod window;
mod workforce;

pub use answer::Answer;
pub use command::Command;
pub use key_filter::KeyWish;
pub use output::Output;
pub use owner::{CallId, Effect, Owner};
pub use prepared::{Needs, Prepared};
pub use shard::{Reply, Shard, WaiterId};
pub use window::WindowWish;
