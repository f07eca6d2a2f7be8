//! The words and the rules of the orchestrator: ids, limits, states, retry arithmetic, facts, and the ports.
//!
//! No IO, no clock, no randomness: time and ids are arguments. Read `transition.rs` for the life of a job,
//! `fact.rs` for what the ledger records, and `port.rs` for what a ledger must do.

pub mod allotment;
pub mod backfill;
pub mod blackout;
pub mod block;
pub mod calendar;
pub mod catalogue;
pub mod concurrency;
pub mod config;
pub mod connector;
pub mod fact;
pub mod fairness;
pub mod graph;
pub mod ids;
pub mod job;
pub mod known_terms;
pub mod lease;
pub mod limits;
pub mod port;
pub mod query;
pub mod quota;
pub mod refusal;
pub mod retry;
pub mod run;
pub mod schedule;
pub mod term;
pub mod time;
pub mod transition;
pub mod watermark;

pub use ids::{JobId, LaneNo, ProjectId, RunId, SessionId, ShardNo, StepNo, Stream, TenantId, TenantNo, TokenId};
pub use job::{JobState, Priority};
pub use refusal::{Code, Refusal};
pub use time::Timestamp;
