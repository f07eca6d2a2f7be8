//! Questions to the owner's memory. They change nothing.

use orch_core::config::ConfigKind;
use orch_core::ids::{BackfillId, JobId, LaneNo, RunId, TenantNo};
use serde::{Deserialize, Serialize};

use crate::answer::RunState;

/// A question to the owner's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// The open states of jobs; those not held in memory are answered `None` (ready in their lane, final, or unknown).
    Jobs {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        ids: Vec<JobId>,
    },
    /// The tenant's lanes.
    Lanes(TenantNo),
    /// Counts of open jobs.
    Summary(TenantNo),
    /// The current version of a declared thing.
    Config {
        /// The tenant.
        tenant: TenantNo,
        /// The kind.
        kind: ConfigKind,
        /// The name.
        name: String,
    },
    /// The current versions of all declared things of a kind, by name.
    Configs {
        /// The tenant.
        tenant: TenantNo,
        /// The kind.
        kind: ConfigKind,
    },
    /// The worker sessions that the tenant may see.
    Workers(TenantNo),
    /// The tenants that are marked for deletion. Platform-wide: for administrators.
    Marks,
    /// What tenants are allotted, for whom something was set. Platform-wide: for administrators.
    Allotments,
    /// What a tenant was due and received.
    Fairness(TenantNo),
    /// What is paused.
    Pauses(TenantNo),
    /// What is throttled.
    Throttles(TenantNo),
    /// Which targets have a priority for a while.
    Priorities(TenantNo),
    /// How many jobs each job type has had under the default key.
    Keyless(TenantNo),
    /// Why a job or a lane waits.
    Explain {
        /// The tenant.
        tenant: TenantNo,
        /// The lane.
        lane: LaneNo,
        /// The job, with its order key while it is fresh; without one it is asked of the lane's next job.
        job: Option<(JobId, u64)>,
    },
    /// How many workers job types could use.
    WorkersWanted {
        /// The tenant.
        tenant: TenantNo,
        /// One; `None`: all that are declared.
        job_type: Option<String>,
        /// Within which time the waiting work is to end.
        target_ms: u64,
    },
    /// The first gate that holds each of these lanes.
    WaitingOn {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        lanes: Vec<LaneNo>,
    },
    /// What governs a host.
    ExplainHost {
        /// The tenant.
        tenant: TenantNo,
        /// The host.
        host: String,
    },
    /// What holds a tenant's work.
    ExplainTenant(TenantNo),
    /// What was spent of a bucket, and what it admits now.
    Bucket {
        /// The tenant.
        tenant: TenantNo,
        /// Its name.
        name: String,
    },
    /// What the work of each quota uses.
    Quotas(TenantNo),
    /// A schedule as it stands.
    Schedule {
        /// The tenant.
        tenant: TenantNo,
        /// Its name.
        name: String,
    },
    /// An open run with all of its steps; `None`: it is not open.
    Run {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        run: RunId,
    },
    /// How runs stand; those that are not open are answered `None`.
    Runs {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        runs: Vec<RunId>,
    },
    /// Open runs, the latest first, with their seqs.
    OpenRuns {
        /// The tenant.
        tenant: TenantNo,
        /// Only those of this graph.
        graph: Option<String>,
        /// Only those in this state.
        state: Option<RunState>,
        /// Only those with a seq below.
        before: Option<u64>,
        /// At most so many.
        limit: usize,
    },
    /// How backfills stand; those that are not open are answered `None`.
    Backfills {
        /// The tenant.
        tenant: TenantNo,
        /// Which.
        backfills: Vec<BackfillId>,
    },
    /// What a breaker does now, and what it counts.
    Breaker {
        /// The tenant.
        tenant: TenantNo,
        /// Its name.
        name: String,
    },
    /// Open jobs in a state that is held in memory (blocked, scheduled, leased, running), ids falling from `before`.
    OpenJobs {
        /// The tenant.
        tenant: TenantNo,
        /// The state.
        state: orch_core::JobState,
        /// Only ids below.
        before: Option<JobId>,
        /// At most so many.
        limit: usize,
    },
    /// How far sources have been read.
    Watermarks {
        /// The tenant.
        tenant: TenantNo,
        /// One; `None`: all.
        source: Option<String>,
    },
    /// A copy of the shard's whole state, to try on it what would happen. Never shown to anybody.
    Copy(TenantNo),
    /// Which of the tenant's jobs a rotation must leave. Platform-wide: for the sweeper.
    Rotation(TenantNo),
}

impl Read {
    /// Whose things are read.
    #[must_use]
    pub fn tenant(&self) -> TenantNo {
        match self {
            Self::Jobs { tenant, .. }
            | Self::Lanes(tenant)
            | Self::Summary(tenant)
            | Self::Config { tenant, .. }
            | Self::Configs { tenant, .. }
            | Self::Workers(tenant)
            | Self::Pauses(tenant)
            | Self::Fairness(tenant)
            | Self::Rotation(tenant)
            | Self::Copy(tenant)
            | Self::Quotas(tenant)
            | Self::ExplainTenant(tenant)
            | Self::Throttles(tenant)
            | Self::Keyless(tenant)
            | Self::Priorities(tenant)
            | Self::ExplainHost { tenant, .. }
            | Self::WaitingOn { tenant, .. }
            | Self::WorkersWanted { tenant, .. }
            | Self::Bucket { tenant, .. }
            | Self::Breaker { tenant, .. }
            | Self::Schedule { tenant, .. }
            | Self::Run { tenant, .. }
            | Self::Runs { tenant, .. }
            | Self::OpenRuns { tenant, .. }
            | Self::Backfills { tenant, .. }
            | Self::Explain { tenant, .. }
            | Self::Watermarks { tenant, .. }
            | Self::OpenJobs { tenant, .. } => *tenant,
            Self::Marks | Self::Allotments => TenantNo::SYSTEM,
        }
    }
}
