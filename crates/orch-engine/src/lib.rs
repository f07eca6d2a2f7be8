//! The engine: owns shards, reads what commands need, writes each shard's appends in order, recovers, takes over, and
//! passes calls on to the nodes that own the other shards.
//!
//! `node.rs` is this process among others, `spread.rs` says which shards it is to have; `keeper.rs` is the life of an
//! ownership, `serving.rs` the loop in between, `sweeper.rs` what removes old jobs beside it. `route.rs` sends a command
//! to its shards, `gateway.rs` a claim of a worker for all tenants, `peer.rs` one to another node. Nouns (`jobs.rs`,
//! `workers.rs`) are what the server calls. No SQL and no HTTP here; decisions are `orch-dispatch`'s.

mod admission;
mod backfills;
mod blackouts;
mod clock;
mod courier;
mod engine;
mod error;
mod explain;
mod gateway;
mod graphs;
mod jobs;
mod keeper;
mod lanes;
mod memory;
mod node;
mod payload_schema;
mod peer;
mod preparer;
mod route;
mod runs;
mod schedules;
mod seat;
mod serving;
mod spread;
mod sweeper;
mod tenants;
mod workers;

pub use admission::Admitted;
pub use backfills::{BackfillView, Compared, WindowStanding, WindowView, usual_scenario};
pub use blackouts::Quiet;
pub use clock::Clock;
pub use engine::{Engine, EngineOptions, Role};
pub use error::Error;
pub use graphs::GraphPlan;
pub use jobs::{JobFilter, JobView, SummaryRow};
pub use memory::{MemoryMarks, MemoryUse};
pub use payload_schema::PayloadSchema;
pub use peer::{PeerError, Peers};
pub use runs::{Rerun, RerunKind, RunFilter, RunStanding, RunView};
pub use spread::spread;
pub use sweeper::Ageing;
pub use workers::{Claimed, Lease};
