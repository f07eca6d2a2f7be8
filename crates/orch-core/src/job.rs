//! A job: its immutable spec, its states and the words around them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{JobId, TenantNo};
use crate::time::Timestamp;

/// Where a job is in its life. The last four are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for other jobs.
    Blocked,
    /// Waits for a moment (also back-off).
    Scheduled,
    /// Waits in its lane.
    Ready,
    /// Handed out, not yet acknowledged.
    Leased,
    /// Acknowledged by a worker.
    Running,
    /// Done.
    Succeeded,
    /// Tries spent, or not retryable; has a dead letter.
    Failed,
    /// Ended on request.
    Canceled,
    /// A dependency made it pointless.
    Skipped,
}

impl JobState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Blocked,
        Self::Scheduled,
        Self::Ready,
        Self::Leased,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
        Self::Skipped,
    ];

    /// Final is final.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled | Self::Skipped)
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
        }
    }

    /// The number in the ledger's `done` table; final states only.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The state with this number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// What the older name `pending` means: all that has not begun.
    pub const PENDING: [Self; 3] = [Self::Blocked, Self::Scheduled, Self::Ready];

    /// Reads the word, and the older names that are accepted at the edges.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "completed" => Some(Self::Succeeded),
            "cancelled" => Some(Self::Canceled),
            _ => Self::ALL.into_iter().find(|state| state.as_str() == text),
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The worker reported success.
    Succeeded,
    /// The worker reported an error.
    Failed,
    /// Ended by a cancel.
    Canceled,
    /// Ran longer than its execution time-out.
    TimedOut,
    /// Its lease expired.
    Lost,
    /// Given back; costs no try.
    Released,
}

/// What a job is before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// An operator waits for it.
    Urgent,
    /// Before the usual.
    High,
    /// The usual.
    #[default]
    Normal,
    /// After the usual.
    Low,
    /// Always below fresh work.
    Backfill,
}

impl Priority {
    /// All classes, the most urgent first.
    pub const ALL: [Self; 5] = [Self::Urgent, Self::High, Self::Normal, Self::Low, Self::Backfill];

    /// The share of a lane of this class beside lanes of other classes.
    /// Each step is a factor of four: work of a lower class goes on, slowly, and never starves.
    #[must_use]
    pub const fn weight(self) -> u64 {
        match self {
            Self::Urgent => 256,
            Self::High => 64,
            Self::Normal => 16,
            Self::Low => 4,
            Self::Backfill => 1,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Backfill => "backfill",
        }
    }
}

/// When a dependency counts as met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependsOn {
    /// The parent succeeded; any other end skips the child.
    Succeeded,
    /// The parent is in any final state.
    Done,
}

/// One dependency of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The parent.
    pub job: JobId,
    /// When it is met.
    pub on: DependsOn,
}

/// Which kind of "again" made a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// A finished job was asked for again.
    Retry,
    /// A dead letter was sent round again.
    DeadLetter,
    /// A worker asked for it while working on another job.
    FollowUp,
    /// A finished job's work is done once more, before others.
    Replay,
}

/// Where a job comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The kind of again.
    pub kind: OriginKind,
    /// The job it comes from.
    pub of: JobId,
}

/// What waits in one lane: jobs alike in all of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaneKey {
    /// A value from the payload or the submitter under which jobs exclude each other.
    pub concurrency_key: Option<String>,
    /// The job type's name.
    pub job_type: String,
    /// The priority class.
    pub priority: Priority,
    /// The project's name.
    pub project: String,
    /// The source's name.
    pub source: Option<String>,
}

/// The immutable spec of a job, less its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Correlates jobs of one cause.
    pub correlation_id: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// It must be final by then.
    pub deadline: Option<Timestamp>,
    /// What it waits for.
    pub depends_on: Vec<Dependency>,
    /// The id.
    pub id: JobId,
    /// Free labels, sorted by key.
    pub labels: BTreeMap<String, String>,
    /// Where it waits.
    pub lane: LaneKey,
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// Where it comes from.
    pub origin: Option<Origin>,
    /// SHA-256 of the payload's bytes, as 64 hexadecimal digits.
    pub payload_sha256: String,
    /// The tenant.
    pub tenant: TenantNo,
}

/// The payload: JSON bytes as they were sent.
pub type Payload = Bytes;

/// SHA-256 of bytes, as 64 hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; 64];
    hex::encode_to_slice(Sha256::digest(bytes), &mut digits).expect("32 bytes have 64 digits");
    String::from_utf8(digits).expect("digits are text")
}

/// The error that a worker or the orchestrator gives an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// What kind of trouble: `handler`, `upstream`, `worker_lost`, `timed_out`, `deadline`, `dependency`.
    pub class: String,
    /// A stable code of the worker's choosing.
    pub code: String,
    /// The upstream's HTTP status, if one is to blame.
    pub http_status: Option<u16>,
    /// Text for people.
    pub message: String,
    /// Not before this many milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Whether another try makes sense.
    pub retryable: bool,
}

impl JobError {
    /// An error that the orchestrator gives by itself.
    #[must_use]
    pub fn own(class: &str, message: impl Into<String>, retryable: bool) -> Self {
        Self {
            class: class.to_owned(),
            code: class.to_owned(),
            http_status: None,
            message: message.into(),
            retryable,
            retry_after_ms: None,
        }
    }
}

/// An output of an attempt, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Media type.
    pub media_type: String,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// Size.
    pub size_bytes: u64,
    /// Where it lies; `artifact:{sha256}` when it was uploaded here.
    pub uri: String,
}
