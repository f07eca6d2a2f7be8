//! Small wire types that many bodies share: moments, closed lists of words, errors, artifacts, pages.

use orch_core::job::{ArtifactRef, JobError, Priority};
use orch_core::{Code, JobState, Refusal, Timestamp, limits};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::fields::{Refusals, check_count, check_message, check_sha256, check_text};
use super::json::check_depth;

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
        ObjectBuilder::new().schema_type(Type::String).format(format).into()
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
    /// The words of `orch_core::JobState`.
    StateWord,
    JobState::ALL.into_iter().map(JobState::as_str)
);
word_schema!(
    /// The words of `orch_core::Code`.
    CodeWord,
    Code::ALL.iter().map(|code| code.as_str())
);
word_schema!(
    /// The words of `orch_core::job::DependsOn`.
    DependsOnWord,
    ["succeeded", "done"].into_iter()
);

/// The error of an attempt.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorBody {
    /// What kind of trouble: `handler` (the default), `upstream`, and what the orchestrator itself says.
    #[serde(default = "handler")]
    #[schema(default = "handler")]
    pub class: String,
    /// A stable code of the worker's choosing.
    pub code: String,
    /// Text for people.
    pub message: String,
    /// The upstream's HTTP status, if one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Not before this many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    #[schema(example = "artifact:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub uri: String,
    /// Media type.
    #[schema(example = "application/jsonl")]
    pub media_type: String,
    /// SHA-256, 64 hexadecimal digits.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: String,
    /// Size.
    pub size_bytes: u64,
}

/// Characters of an artifact's URI: as long as browsers and proxies commonly take.
const URI_CHARS_MAX: u64 = 2_048;

impl ArtifactBody {
    /// The artifact in the words of the core, checked.
    pub fn into_ref(self, field: &str) -> Result<ArtifactRef, Refusal> {
        check_text(&format!("{field}.uri"), &self.uri, URI_CHARS_MAX)?;
        check_text(&format!("{field}.media_type"), &self.media_type, limits::NAME_CHARS_MAX)?;
        check_sha256(&format!("{field}.sha256"), &self.sha256)?;
        if i64::try_from(self.size_bytes).is_err() {
            let detail = format!("`{field}.size_bytes` is larger than any file");
            return Err(Refusal::field(Code::LimitExceeded, format!("{field}.size_bytes"), detail));
        }
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
    pub message: String,
}

/// Who acts says why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonIn {
    /// Why; kept in history.
    #[serde(default)]
    #[schema(max_length = 256)]
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
