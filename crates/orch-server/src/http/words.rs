//! Small wire types that many bodies share: moments, closed lists of words, errors, artifacts, pages.

use orch_core::allotment::Strategy;
use orch_core::backfill::{Order, Reprocess};
use orch_core::blackout::BlackoutAction;
use orch_core::concurrency::PerKeyStrategy;
use orch_core::connector::{ArtifactKind, Capability};
use orch_core::graph::Trigger;
use orch_core::job::{ArtifactRef, JobError, Priority};
use orch_core::run::RunTrigger;
use orch_core::schedule::{Daylight, Misfire, Overlap};
use orch_core::watermark::{Axis, Range};
use orch_core::{Code, JobState, Refusal, Timestamp, limits};
use orch_engine::RunStanding;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::fields::{Refusals, check_count, check_message, check_sha256, check_text};
use super::json::check_depth;
use super::runs::graph::{STEP_KINDS, STEP_STATES};
use super::runs::timeline::SEGMENT_KINDS;
use super::texts::{LineText, MessageText, ReasonText, Sha256Text, UriText};
use crate::access::Scope;

/// The years that a moment may have.
const FROM_1970: &str = "^(19[7-9][0-9]|[2-9][0-9]{3})-";

/// A moment as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let refused = || de::Error::custom("expected a time between the years 1970 and 9999, as RFC 3339 has it");
        Timestamp::parse_rfc3339(&text).map(Self).ok_or_else(refused)
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let format = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
        let text = ObjectBuilder::new().schema_type(Type::String).format(format);
        text.pattern(Some(FROM_1970)).into()
    }
}

impl ToSchema for Moment {}

/// A schema that lists words of the core, so that the document cannot fall behind the code.
macro_rules! word_schema {
    ($(#[$doc:meta])* $name:ident, $words:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words: Vec<&'static str> = $words.collect();
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
            }
        }

        impl ToSchema for $name {}
    };
}

word_schema!(
    /// The words of `orch_core::Priority`.
    PriorityWord,
    Priority::ALL.into_iter().map(Priority::as_str)
);
word_schema!(
    /// The words of `orch_core::concurrency::PerKeyStrategy`.
    PerKeyStrategyWord,
    PerKeyStrategy::ALL.into_iter().map(PerKeyStrategy::as_str)
);
word_schema!(
    /// The words of `orch_core::JobState`.
    StateWord,
    JobState::ALL.into_iter().map(JobState::as_str)
);
word_schema!(
    /// The words of `orch_core::JobState`, and `pending` for all that have not begun.
    StateFilterWord,
    JobState::ALL.into_iter().map(JobState::as_str).chain(["pending"])
);
word_schema!(
    /// The words of `orch_core::allotment::Strategy`.
    StrategyWord,
    Strategy::ALL.into_iter().map(Strategy::as_str)
);
word_schema!(
    /// The words of `orch_core::Code`.
    CodeWord,
    Code::ALL.iter().map(|code| code.as_str())
);
word_schema!(
    /// The words of `access::Scope`.
    ScopeWord,
    Scope::ALL.iter().map(|scope| scope.as_str())
);
word_schema!(
    /// The words of `orch_core::blackout::BlackoutAction`.
    BlackoutActionWord,
    BlackoutAction::ALL.into_iter().map(BlackoutAction::as_str)
);
word_schema!(
    /// The words of `orch_core::schedule::Daylight`.
    DaylightWord,
    Daylight::ALL.iter().map(|word| word.as_str())
);
word_schema!(
    /// The words of `orch_core::schedule::Misfire`.
    MisfireWord,
    Misfire::ALL.iter().map(|word| word.as_str())
);
word_schema!(
    /// The words of `orch_core::schedule::Overlap`.
    OverlapWord,
    Overlap::ALL.iter().map(|word| word.as_str())
);
word_schema!(
    /// The words of `orch_core::graph::Trigger`.
    TriggerWord,
    Trigger::ALL.into_iter().map(Trigger::as_str)
);
word_schema!(
    /// The words of `orch_core::run::RunTrigger`.
    RunTriggerWord,
    RunTrigger::ALL.into_iter().map(RunTrigger::as_str)
);
word_schema!(
    /// The words of `orch_engine::RunStanding`.
    RunStateWord,
    RunStanding::ALL.into_iter().map(RunStanding::as_str)
);
word_schema!(
    /// The words of `orch_core::backfill::Order`.
    OrderWord,
    Order::ALL.into_iter().map(Order::as_str)
);
word_schema!(
    /// The words of `orch_core::backfill::Reprocess`.
    ReprocessWord,
    Reprocess::ALL.into_iter().map(Reprocess::as_str)
);
word_schema!(
    /// The words for where a step of a run is.
    StepStateWord,
    STEP_STATES.into_iter()
);
word_schema!(
    /// The words of `orch_core::graph::StepKind`.
    StepKindWord,
    STEP_KINDS.into_iter()
);
word_schema!(
    /// The words for what a job does in a segment of a timeline.
    SegmentKindWord,
    SEGMENT_KINDS.into_iter()
);
word_schema!(
    /// The words of `orch_core::watermark::Axis`.
    AxisWord,
    Axis::ALL.into_iter().map(Axis::as_str)
);
word_schema!(
    /// The words of `orch_core::job::DependsOn`.
    DependsOnWord,
    ["succeeded", "done"].into_iter()
);

word_schema!(
    /// The words of `orch_core::connector::Capability`.
    CapabilityWord,
    Capability::ALL.into_iter().map(Capability::as_str)
);
word_schema!(
    /// The words of `orch_core::connector::ArtifactKind`.
    ArtifactKindWord,
    ArtifactKind::ALL.into_iter().map(ArtifactKind::as_str)
);

/// The largest whole number that every reader of JSON keeps exact (RFC 8259 §6).
const EXACT_MAX: u64 = (1 << 53) - 1;

/// For `deserialize_with`: a whole number that every reader of JSON keeps exact.
pub fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number <= EXACT_MAX { Ok(number) } else { Err(de::Error::custom(format!("expected at most {EXACT_MAX}"))) }
}

/// The same, or null.
pub fn maybe_exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<u64>::deserialize(deserializer)?;
    match number {
        Some(n) if n > EXACT_MAX => Err(de::Error::custom(format!("expected at most {EXACT_MAX}"))),
        _ => Ok(number),
    }
}

/// The error of an attempt.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorBody {
    /// What kind of trouble: `handler` (the default), `upstream`, and what the orchestrator itself says.
    #[serde(default = "handler")]
    #[schema(value_type = LineText, default = "handler")]
    pub class: String,
    /// A stable code of the worker's choosing.
    #[schema(value_type = LineText)]
    pub code: String,
    /// Text for people.
    #[schema(value_type = MessageText)]
    pub message: String,
    /// The upstream's HTTP status, if one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65535)]
    pub http_status: Option<u16>,
    /// Not before this many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "maybe_exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub retry_after_ms: Option<u64>,
    /// Whether another try makes sense.
    pub retryable: bool,
}

fn handler() -> String {
    "handler".to_owned()
}

impl ErrorBody {
    /// The error in the words of the core, checked.
    pub fn into_error(self, field: &str) -> Result<JobError, Refusal> {
        let path = |name| format!("{field}.{name}");
        check_text(&path("class"), &self.class, limits::NAME_CHARS_MAX)?;
        check_text(&path("code"), &self.code, limits::NAME_CHARS_MAX)?;
        check_message(&path("message"), &self.message, limits::ERROR_MESSAGE_CHARS_MAX)?;
        Ok(JobError {
            class: self.class,
            code: self.code,
            http_status: self.http_status,
            message: self.message,
            retry_after_ms: self.retry_after_ms,
            retryable: self.retryable,
        })
    }
}

impl From<JobError> for ErrorBody {
    fn from(error: JobError) -> Self {
        Self {
            class: error.class,
            code: error.code,
            message: error.message,
            http_status: error.http_status,
            retry_after_ms: error.retry_after_ms,
            retryable: error.retryable,
        }
    }
}

/// An output by digest.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ArtifactRef)]
pub struct ArtifactBody {
    /// Where it lies; `artifact:{sha256}` when it was uploaded here.
    #[schema(value_type = UriText)]
    pub uri: String,
    /// Media type.
    #[schema(value_type = LineText, example = "application/jsonl")]
    pub media_type: String,
    /// SHA-256, 64 hexadecimal digits.
    #[schema(value_type = Sha256Text)]
    pub sha256: String,
    /// Size.
    #[serde(deserialize_with = "exact")]
    #[schema(maximum = 9007199254740991_u64)]
    pub size_bytes: u64,
}

/// Characters of an artifact's URI: as long as browsers and proxies commonly take.
pub const URI_CHARS_MAX: u64 = 2_048;

impl ArtifactBody {
    /// The artifact in the words of the core, checked.
    pub fn into_ref(self, field: &str) -> Result<ArtifactRef, Refusal> {
        check_text(&format!("{field}.uri"), &self.uri, URI_CHARS_MAX)?;
        check_text(&format!("{field}.media_type"), &self.media_type, limits::NAME_CHARS_MAX)?;
        check_sha256(&format!("{field}.sha256"), &self.sha256)?;
        Ok(ArtifactRef { uri: self.uri, media_type: self.media_type, sha256: self.sha256, size_bytes: self.size_bytes })
    }
}

impl From<ArtifactRef> for ArtifactBody {
    fn from(artifact: ArtifactRef) -> Self {
        Self {
            uri: artifact.uri,
            media_type: artifact.media_type,
            sha256: artifact.sha256,
            size_bytes: artifact.size_bytes,
        }
    }
}

/// How far an attempt is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Progress)]
pub struct ProgressBody {
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: u8,
    /// Text for people.
    #[serde(default)]
    #[schema(value_type = MessageText)]
    pub message: String,
}

/// A stretch of event time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Range, example = json!({"from": "2026-01-14T00:00:00.000Z", "to": "2026-01-15T00:00:00.000Z"}))]
pub struct RangeBody {
    /// The first moment of it.
    pub from: Moment,
    /// The first moment after it.
    pub to: Moment,
}

impl From<Range> for RangeBody {
    fn from(Range { from, to }: Range) -> Self {
        Self { from: Moment(from), to: Moment(to) }
    }
}

impl From<RangeBody> for Range {
    fn from(RangeBody { from, to }: RangeBody) -> Self {
        Self { from: from.0, to: to.0 }
    }
}

/// Who acts says why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonIn {
    /// Why; kept in history.
    #[serde(default)]
    #[schema(value_type = Option<ReasonText>)]
    pub reason: Option<String>,
}

/// Checks an operator's reason.
pub fn check_reason(reason: Option<String>) -> Result<Option<String>, Refusal> {
    match &reason {
        Some(text) => check_text("reason", text, limits::REASON_CHARS_MAX).map(|()| reason),
        None => Ok(None),
    }
}

/// Checks JSON text of a caller's making: its size, its depth.
pub fn check_json(field: &str, json: &RawValue, bytes_max: u64) -> Result<(), Refusal> {
    let mut refusals = Refusals::default();
    refusals.note(check_count(field, json.get().len(), bytes_max, "bytes"));
    refusals.note(check_depth(field, json.get().as_bytes()));
    refusals.into_first().map_or(Ok(()), Err)
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(bound = "T: ToSchema")]
pub struct PageOut<T> {
    /// The items.
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// A list without pages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(bound = "T: ToSchema")]
pub struct ItemsOut<T> {
    /// The items.
    pub items: Vec<T>,
}
