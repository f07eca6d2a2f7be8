//! Texts and numbers with a form, as the document describes them.
//! The checks themselves stand in `fields` and in the core; a test drives both from the document.

use std::borrow::Cow;

use orch_core::limits;
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// No control characters.
const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
/// No NUL, which databases refuse.
const MESSAGE: &str = r"^[^\x00]*$";
const NAME: &str = "^[a-zA-Z0-9][a-zA-Z0-9._:/-]*$";

macro_rules! text_schema {
    ($($(#[$doc:meta])* $name:ident, $pattern:expr, $chars:expr $(, $example:literal)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let chars: (u64, u64) = $chars;
                let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern));
                let text = text.min_length(Some(size(chars.0))).max_length(Some(size(chars.1)));
                $(let text = text.examples([serde_json::Value::from($example)]);)?
                text.into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

text_schema! {
    /// A name: letters, digits and `. _ : / -`, with a letter or digit first.
    NameText, NAME, (1, limits::NAME_CHARS_MAX), "feeds.fetch";
    /// The key of a label.
    LabelKeyText, NAME, (1, limits::LABEL_KEY_CHARS_MAX), "feed";
    /// A text of one line that may be empty.
    LineText, LINE, (0, limits::NAME_CHARS_MAX);
    /// A text of one line.
    FilledText, LINE, (1, limits::NAME_CHARS_MAX);
    /// The value of a label, or another text as long.
    LabelValueText, LINE, (0, limits::LABEL_VALUE_CHARS_MAX);
    /// A key that makes a call safe to repeat.
    KeyText, LINE, (1, limits::KEY_CHARS_MAX), "kev/2026-01-15";
    /// The same key in a header, where it is visible ASCII.
    KeyHeaderText, "^[!-~]([ -~]*[!-~])?$", (1, limits::KEY_CHARS_MAX), "kev/2026-01-15";
    /// The key under which a connector excludes itself.
    LockKeyText, "^[!-~]+$", (1, limits::KEY_CHARS_MAX), "connector:kev";
    /// A JSON pointer (RFC 6901).
    PointerText, r"^(/([^~/\x00-\x1f\x7f-\x9f]|~[01])*)*$", (0, limits::KEY_POINTER_CHARS_MAX), "/repository/id";
    /// Why somebody did something.
    ReasonText, LINE, (0, limits::REASON_CHARS_MAX);
    /// The same where it must be said.
    WhyText, LINE, (1, limits::REASON_CHARS_MAX), "the export lost January";
    /// The ticket that asks for something.
    TicketText, LINE, (1, limits::TICKET_CHARS_MAX), "OPS-17";
    /// A text that a program may have written, line breaks and all.
    MessageText, MESSAGE, (0, limits::ERROR_MESSAGE_CHARS_MAX);
    /// A line of a log.
    LogText, MESSAGE, (0, limits::LOG_LINE_CHARS_MAX);
    /// A reference to a secret, never the secret.
    SecretRefText, r"^secret:[^\x00-\x1f\x7f-\x9f]*$", (7, limits::LABEL_VALUE_CHARS_MAX), "secret:feeds/nvd/api-key";
    /// A URI.
    UriText, LINE, (0, super::words::URI_CHARS_MAX), "artifact:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    /// A SHA-256: 64 lower-case hexadecimal digits.
    Sha256Text, "^[0-9a-f]{64}$", (64, 64), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    /// A job's id.
    JobIdText, "^job_[0-9a-f]{32}$", (36, 36), "job_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    /// A run's id.
    RunIdText, "^run_[0-9a-f]{32}$", (36, 36), "run_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    /// A backfill's id.
    BackfillIdText, "^bkf_[0-9a-f]{32}$", (36, 36), "bkf_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    /// A worker session's id.
    SessionIdText, "^wks_[0-9a-f]{32}$", (36, 36), "wks_00000002b7a08c3e8d9f0a1b2c3d4e5f";
    /// A claim's id.
    ClaimIdText, "^clm_[0-9a-f]{32}$", (36, 36), "clm_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    /// A tenant's id.
    TenantIdText, "^ten_[0-9a-f]{32}$", (36, 36), "ten_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    /// An API token's id.
    TokenIdText, "^tok_[0-9a-f]{32}$", (36, 36), "tok_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    /// The id of a node.
    NodeIdText, "^nod_[0-9a-f]{32}$", (36, 36), "nod_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f";
    /// The number of a shard.
    ShardText, "^[0-9]{1,4}$", (1, 4), "0";
    /// The token of a lease; only the server makes them.
    LeaseText, LINE, (1, limits::KEY_CHARS_MAX);
    /// A cron expression or a recurrence rule.
    RuleText, LINE, (1, limits::RULE_CHARS_MAX), "0 2 * * SUN";
    /// The name of a zone in the IANA database.
    ZoneText, "^[a-zA-Z0-9][a-zA-Z0-9._+/-]*$", (1, limits::NAME_CHARS_MAX), "Europe/Athens";
    /// A time of a wall clock.
    WallClockText, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$", (19, 19), "2026-01-03T22:00:00";
    /// A day.
    DayText, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", (10, 10), "2026-12-24";
    /// A connector's id.
    SlugText, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", (1, limits::CONNECTOR_ID_CHARS_MAX), "kev";
    /// A query.
    QueryText, MESSAGE, (0, limits::QUERY_CHARS_MAX);
    /// A filter by label.
    LabelFilterText, r"^[a-zA-Z0-9][a-zA-Z0-9._/-]{0,127}:[^\x00-\x1f\x7f-\x9f]{0,255}$", (2, 384), "feed:kev";
}

macro_rules! number_schema {
    ($($(#[$doc:meta])* $name:ident, $range:expr, $format:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let range: (u64, u64) = $range;
                let format = SchemaFormat::KnownFormat(KnownFormat::$format);
                let number = ObjectBuilder::new().schema_type(Type::Integer).format(Some(format));
                number.minimum(Some(size(range.0))).maximum(Some(size(range.1))).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

number_schema! {
    /// Items a page.
    LimitNumber, (1, limits::PAGE_MAX), Int32;
    /// A count that must not be nothing.
    CountNumber, (1, u32::MAX as u64), Int64;
    /// A number of something that is kept in 32 bits.
    SmallNumber, (0, u32::MAX as u64), Int64;
}

/// Free labels.
#[derive(Debug)]
pub struct LabelsMap;

impl PartialSchema for LabelsMap {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::Object);
        let value = AdditionalProperties::RefOr(RefOr::Ref(Ref::from_schema_name(LabelValueText::name())));
        let key = match LabelKeyText::schema() {
            RefOr::T(schema) => Some(schema),
            RefOr::Ref(_) => None,
        };
        let object = object.additional_properties(Some(value)).max_properties(Some(size(limits::LABELS_MAX)));
        object.property_names(key).into()
    }
}

impl ToSchema for LabelsMap {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Labels")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((LabelValueText::name().into_owned(), LabelValueText::schema()));
    }
}
