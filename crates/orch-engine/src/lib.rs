//! The engine: owns a shard, reads what commands need, writes one append at a time, recovers, takes over.
//!
//! `keeper.rs` is the life of an ownership, `serving.rs` the loop in between; nouns (`jobs.rs`, `workers.rs`) are what
//! the server calls. No SQL and no HTTP here; decisions are `orch-dispatch`'s.

mod clock;
mod engine;
mod error;
mod jobs;
mod keeper;
mod lanes;
mod payload_schema;
mod preparer;
mod serving;
mod tenants;
mod workers;

pub use clock::Clock;
pub use engine::{Engine, EngineOptions, Role, Status};
pub use error::Error;
pub use jobs::{JobFilter, JobView, SummaryRow};
pub use payload_schema::{PayloadSchema, PayloadSchemas};
pub use workers::{Claimed, Lease};
