//! What a caller is told when something is refused: a stable code, the field, and a sentence.
//!
//! HTTP statuses belong to the server; retrying is decided here, by the code.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $retryable:literal;)*) => {
        /// A stable code; each has a page in `docs/errors`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as it stands on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// True when the same call may succeed later.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }
        }
    };
}

codes! {
    /// A field's value is not acceptable.
    InvalidField = "invalid_field", false;
    /// The body is not the JSON that was expected.
    InvalidBody = "invalid_body", false;
    /// A member that nobody knows.
    UnknownField = "unknown_field", false;
    /// A value is larger than its limit.
    LimitExceeded = "limit_exceeded", false;
    /// No such job type in this tenant.
    UnknownJobType = "unknown_job_type", false;
    /// No such source in this tenant.
    UnknownSource = "unknown_source", false;
    /// No such project in this tenant.
    UnknownProject = "unknown_project", false;
    /// A dependency names no job of this tenant.
    UnknownDependency = "unknown_dependency", false;
    /// The dependencies of a call form a cycle.
    DependencyCycle = "dependency_cycle", false;
    /// A moment lies outside the range.
    TimeOutOfRange = "time_out_of_range", false;
    /// The cursor is not one of this list.
    InvalidCursor = "invalid_cursor", false;
    /// No such thing, or not the caller's.
    NotFound = "not_found", false;
    /// The path exists with another method.
    MethodNotAllowed = "method_not_allowed", false;
    /// The body's media type is not accepted.
    UnsupportedMediaType = "unsupported_media_type", false;
    /// No or no valid credentials.
    Unauthenticated = "unauthenticated", false;
    /// The credentials lack a scope.
    Forbidden = "forbidden", false;
    /// The id is in use by another job.
    IdConflict = "id_conflict", false;
    /// The same key came with another content.
    IdempotencyMismatch = "idempotency_mismatch", false;
    /// The thing is in a state that does not allow this.
    StateConflict = "state_conflict", false;
    /// The tenant is marked for deletion and takes nothing new.
    TenantDeleting = "tenant_deleting", false;
    /// The If-Match version is not the current one.
    VersionConflict = "version_conflict", false;
    /// The change needs If-Match.
    VersionRequired = "version_required", false;
    /// The lease is no longer current.
    StaleLease = "stale_lease", false;
    /// The attempt ended with another result.
    CompletionConflict = "completion_conflict", false;
    /// The watermark is not where the report expects it, or would go back.
    WatermarkConflict = "watermark_conflict", false;
    /// The worker session is not known (any more): announce again.
    UnknownSession = "unknown_session", true;
    /// The digest of the bytes is another.
    DigestMismatch = "digest_mismatch", false;
    /// Filters need an index or a time window.
    FilterTooWide = "filter_too_wide", false;
    /// Too much is waiting.
    BacklogFull = "backlog_full", true;
    /// The owner's queue is full.
    Overloaded = "overloaded", true;
    /// This replica does not own the tenant's shard now.
    NotOwner = "not_owner", true;
    /// The outcome of the command is not known: repeat it with its key.
    OutcomeUnknown = "outcome_unknown", true;
    /// The server is shutting down.
    Draining = "draining", true;
    /// A defect on this side.
    Internal = "internal", true;
}

/// A refusal with the field it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{detail}")]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// Path of the field, as `jobs[3].payload`; `None` when no field is to blame.
    pub field: Option<String>,
    /// One sentence that names what was wrong and the limit.
    pub detail: String,
    /// Further places that are refused with it; the wire has them in a list of their own.
    pub also: Vec<Refusal>,
}

impl Refusal {
    /// A refusal that blames no field.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, field: None, detail: detail.into(), also: Vec::new() }
    }

    /// A refusal that blames a field.
    #[must_use]
    pub fn field(code: Code, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, field: Some(field.into()), detail: detail.into(), also: Vec::new() }
    }

    /// One refusal of several: the first, and the others with it.
    #[must_use]
    pub fn joined(refusals: Vec<Self>) -> Option<Self> {
        let mut refusals = refusals.into_iter();
        let mut first = refusals.next()?;
        first.also.extend(refusals);
        Some(first)
    }

    /// The refusal and those with it, one by one.
    #[must_use]
    pub fn parted(mut self) -> Vec<Self> {
        let also = std::mem::take(&mut self.also);
        std::iter::once(self).chain(also).collect()
    }

    /// The same refusal for a field that lies deeper: `payload` under `jobs[3]` is `jobs[3].payload`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.field = Some(match self.field {
            Some(field) => format!("{parent}.{field}"),
            None => parent.to_owned(),
        });
        self.also = self.also.into_iter().map(|other| other.under(parent)).collect();
        self
    }
}
