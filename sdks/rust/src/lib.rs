//! The Rust SDK of the job orchestrator: a typed client, and a worker that keeps its leases.
//!
//! It knows the HTTP contract only, and no crate of the server. Begin at [`Client`] and [`Worker`].
//!
//! ```no_run
//! use orch_client::{Client, Done, JobContext, JobIn, Worker};
//!
//! # async fn run() -> Result<(), orch_client::Error> {
//! let client = Client::builder().address("http://127.0.0.1:7400").token("…").build()?;
//! let job = client.jobs().create(&JobIn::new("greet", &"world")?, None).await?;
//! Worker::builder(client)
//!     .handler("greet", |ctx: JobContext, name: String| async move {
//!         ctx.log(format!("hello {name}"));
//!         Ok(Done::result(&name.len())?)
//!     })
//!     .build()
//!     .run(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
//!     .await?;
//! # let _ = job; Ok(())
//! # }
//! ```

mod applied;
mod apply;
mod artifact;
mod artifacts;
mod backfill;
mod backfills;
mod blackout;
mod blackouts;
mod breaker;
mod breakers;
mod bucket;
mod buckets;
mod budget;
mod client;
mod clock;
mod connector;
mod dead_letter;
mod dead_letters;
mod declared;
mod desired_workers;
mod error;
mod explanation;
mod graph;
mod graphs;
mod health;
mod id;
mod job;
mod job_type;
mod job_types;
mod jobs;
mod known_terms;
mod lane;
mod nodes;
mod page;
mod pause;
mod priorities;
mod priority;
mod project;
mod projects;
mod quota;
mod quotas;
mod raw;
mod rehearsal;
mod run;
mod runs;
mod schedule;
mod schedules;
mod simulation;
mod simulations;
mod source;
mod sources;
mod tenant;
mod tenants;
mod throttle;
mod throttles;
mod token;
mod tokens;
mod transport;
mod waiting;
mod watermark;
mod watermarks;
mod word;
mod worker;
mod workers;

pub use applied::{Applied, AppliedAction, Difference};
pub use artifact::ArtifactRef;
pub use artifacts::Artifacts;
pub use backfill::{
    Backfill, BackfillIn, BackfillJob, BackfillPreview, BackfillWindow, PreviewQuota, Reprocess, Warning, WindowCounts,
    WindowOf, WindowOrder, WindowState,
};
pub use backfills::Backfills;
pub use blackout::{Blackout, BlackoutAction, Calendar, Quiet, QuietQuery, Window};
pub use blackouts::Blackouts;
pub use breaker::{Breaker, BreakerState};
pub use breakers::Breakers;
pub use bucket::{Bucket, BucketState, Cut, InFlight, SharePoint, Term};
pub use buckets::Buckets;
pub use client::{Client, ClientBuilder};
pub use connector::{Connector, ConnectorSchedule, RatePolicy};
pub use dead_letter::{DeadLetterOut, DeadLetterQuery, Settlement, SettlementHow};
pub use dead_letters::DeadLetters;
pub use desired_workers::{DesiredWorkers, Limiter};
pub use error::{Error, FieldError, Problem};
pub use explanation::{
    Hold, HostExplanation, HostGate, JobExplanation, LaneExplanation, LanesWaiting, TenantExplanation,
};
pub use graph::{Approval, Condition, Edge, FanOut, Graph, GraphPlan, ListAt, PlannedStep, Step, SubGraph, Trigger};
pub use graphs::Graphs;
pub use health::{Health, HealthMemory, HealthStatus};
pub use id::{BackfillId, IdError, JobId, RunId};
pub use job::{
    Attempt, AttemptOutcome, DeadLetterState, Dependency, DependsOn, HistoryEntry, JobError, JobIn, JobOut, JobQuery,
    JobState, KeylessRow, LogLevel, LogLineOut, Origin, OriginKind, Priority, Progress, Summary, SummaryRow,
};
pub use job_type::{JobType, JobTypeDeclared};
pub use job_types::JobTypes;
pub use jobs::{CancelOutcome, Enqueued, Jobs};
pub use known_terms::KnownTerms;
pub use lane::LaneOut;
pub use nodes::{NodeOut, Nodes, ShardOut, Shards};
pub use page::Page;
pub use pause::{PauseOut, PauseTarget};
pub use priorities::Priorities;
pub use priority::{TargetPriority, TargetPriorityOut};
pub use project::Project;
pub use projects::Projects;
pub use quota::{Quota, QuotaUse};
pub use quotas::Quotas;
pub use raw::{RawAnswer, RawRequest};
pub use rehearsal::Rehearsal;
pub use run::{
    FirstSignal, NewRun, Rerun, RunEdge, RunGraph, RunNode, RunOut, RunParent, RunPart, RunQuery, RunState, RunTrigger,
    Segment, SegmentKind, Signal, StepCounts, StepKind, StepState, Stopped, TimelineItem,
};
pub use runs::Runs;
pub use schedule::{
    Daylight, Firing, FiringFound, Instant, Misfire, Overlap, Schedule, SchedulePause, ScheduleStatus, ScheduledJob,
    ScheduledRun, Timetable,
};
pub use schedules::Schedules;
pub use simulation::{
    Ends, Held, SimulateUntil, Simulated, SimulatedOutcome, Simulation, SupposedWorkers, Wait, Waits,
};
pub use source::Source;
pub use sources::Sources;
pub use tenant::{Allotment, Receipt, TenantOut};
pub use tenants::Tenants;
pub use throttle::{Throttle, ThrottleOut};
pub use throttles::Throttles;
pub use token::{TokenFound, TokenIn, TokenOut};
pub use tokens::Tokens;
pub use watermark::{Advance, Axis, Range, Watermark, WatermarkHead, WatermarkIn};
pub use watermarks::Watermarks;
pub use worker::{
    Done, FollowUpOut, HandlerError, JobContext, Observation, ParentOut, Parents, UpstreamAnswer, Worker,
    WorkerBuilder, WorkerSummary,
};
pub use workers::{WorkerOut, Workers};

/// What this SDK calls itself in requests and worker sessions.
pub const SDK: &str = concat!("orch-client-rust/", env!("CARGO_PKG_VERSION"));
