//! What facts are called, and which job each speaks of.

use super::Fact;
use crate::ids::JobId;

impl Fact {
    /// The job that the fact speaks of, if it speaks of one.
    #[must_use]
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::JobEnqueued { job, .. }
            | Self::JobReady { job, .. }
            | Self::JobScheduled { job, .. }
            | Self::LeaseGranted { job, .. }
            | Self::LeaseAcked { job, .. }
            | Self::AttemptEnded { job, .. }
            | Self::JobFinished { job, .. }
            | Self::CancelRequested { job, .. }
            | Self::JobReprioritized { job, .. }
            | Self::DeadLetterSettled { job, .. } => Some(*job),
            _ => None,
        }
    }

    /// Seq of the same job's fact before this one; `None` at its first and for facts outside the chain.
    #[must_use]
    pub fn prev(&self) -> Option<u64> {
        match self {
            Self::JobReady { prev, .. }
            | Self::JobScheduled { prev, .. }
            | Self::LeaseGranted { prev, .. }
            | Self::LeaseAcked { prev, .. }
            | Self::AttemptEnded { prev, .. }
            | Self::JobFinished { prev, .. }
            | Self::JobReprioritized { prev, .. }
            | Self::CancelRequested { prev, .. } => Some(*prev),
            _ => None,
        }
    }

    /// The fact's kind, as its tag stands in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TenantCreated { .. } => "tenant_created",
            Self::ConfigSet { .. } => "config_set",
            Self::TokenCreated { .. } => "token_created",
            Self::TokenRevoked { .. } => "token_revoked",
            Self::LaneOpened { .. } => "lane_opened",
            Self::JobEnqueued { .. } => "job_enqueued",
            Self::JobReady { .. } => "job_ready",
            Self::JobScheduled { .. } => "job_scheduled",
            Self::LeaseGranted { .. } => "lease_granted",
            Self::LeaseAcked { .. } => "lease_acked",
            Self::AttemptEnded { .. } => "attempt_ended",
            Self::JobFinished { .. } => "job_finished",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::JobReprioritized { .. } => "job_reprioritized",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::DeadLetterSettled { .. } => "dead_letter_settled",
            Self::TenantMarked { .. } => "tenant_marked",
            Self::TenantRestored { .. } => "tenant_restored",
            Self::BucketCut { .. } => "bucket_cut",
            Self::BucketClosed { .. } => "bucket_closed",
            Self::BucketReset { .. } => "bucket_reset",
            Self::PermitGiven { .. } => "permit_given",
            Self::HostClosed { .. } => "host_closed",
            Self::ConfigDeleted { .. } => "config_deleted",
            Self::BreakerTripped { .. } => "breaker_tripped",
            Self::BreakerReset { .. } => "breaker_reset",
            Self::Throttled { .. } => "throttled",
            Self::ThrottleEnded { .. } => "throttle_ended",
            Self::Prioritized { .. } => "prioritized",
            Self::PriorityEnded { .. } => "priority_ended",
            Self::TenantAllotted { .. } => "tenant_allotted",
            Self::FairnessNoted { .. } => "fairness_noted",
            Self::ScheduleSkipped { .. } => "schedule_skipped",
            Self::ScheduleBuffered { .. } => "schedule_buffered",
            Self::SchedulePaused { .. } => "schedule_paused",
            Self::ScheduleResumed { .. } => "schedule_resumed",
            Self::WatermarkAdvanced { .. } => "watermark_advanced",
            Self::WatermarkSet { .. } => "watermark_set",
            Self::RunStarted { .. } => "run_started",
            Self::StepsSkipped { .. } => "steps_skipped",
            Self::PartFailed { .. } => "part_failed",
            Self::MapEnded { .. } => "map_ended",
            Self::ApprovalAsked { .. } => "approval_asked",
            Self::ApprovalDecided { .. } => "approval_decided",
            Self::RunCancelRequested { .. } => "run_cancel_requested",
            Self::RunPaused { .. } => "run_paused",
            Self::RunResumed { .. } => "run_resumed",
            Self::RunFinished { .. } => "run_finished",
            Self::BackfillCreated { .. } => "backfill_created",
            Self::BackfillSkipped { .. } => "backfill_skipped",
            Self::BackfillPaused { .. } => "backfill_paused",
            Self::BackfillResumed { .. } => "backfill_resumed",
            Self::BackfillCancelRequested { .. } => "backfill_cancel_requested",
            Self::BackfillFinished { .. } => "backfill_finished",
            Self::RowsKept { .. } => "rows_kept",
            Self::Turn { .. } => "turn",
        }
    }

    /// All kinds.
    pub const KINDS: [&'static str; 57] = [
        "tenant_created",
        "config_set",
        "token_created",
        "token_revoked",
        "lane_opened",
        "job_enqueued",
        "job_ready",
        "job_scheduled",
        "lease_granted",
        "lease_acked",
        "attempt_ended",
        "job_finished",
        "cancel_requested",
        "paused",
        "resumed",
        "dead_letter_settled",
        "rows_kept",
        "turn",
        "tenant_marked",
        "tenant_restored",
        "bucket_cut",
        "bucket_closed",
        "bucket_reset",
        "permit_given",
        "host_closed",
        "config_deleted",
        "breaker_tripped",
        "breaker_reset",
        "throttled",
        "throttle_ended",
        "job_reprioritized",
        "prioritized",
        "priority_ended",
        "tenant_allotted",
        "fairness_noted",
        "schedule_skipped",
        "schedule_buffered",
        "schedule_paused",
        "schedule_resumed",
        "watermark_advanced",
        "watermark_set",
        "run_started",
        "steps_skipped",
        "part_failed",
        "map_ended",
        "approval_asked",
        "approval_decided",
        "run_cancel_requested",
        "run_paused",
        "run_resumed",
        "run_finished",
        "backfill_created",
        "backfill_skipped",
        "backfill_paused",
        "backfill_resumed",
        "backfill_cancel_requested",
        "backfill_finished",
    ];
}
