//! Concurrency keys: where a job type finds them in payloads, and what becomes of a key's jobs when there are too many.
//!
//! Pure: payloads are read by the caller, who knows which job type says what. Nothing here counts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits;
use crate::refusal::{Code, Refusal};

/// The key of jobs whose payload holds none where their type looks for it. No key of a payload has this form by
/// accident; who names it means it.
pub const DEFAULT_KEY: &str = "orch:no-key";

/// What becomes of the jobs of a key when there are more than its job type lets run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerKeyStrategy {
    /// They wait for each other.
    #[default]
    Queue,
    /// A new one ends at once while as many are open as may run.
    DropNewest,
    /// A new one takes the place of the oldest.
    CancelRunning,
}

impl PerKeyStrategy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Queue, Self::DropNewest, Self::CancelRunning];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::DropNewest => "drop_newest",
            Self::CancelRunning => "cancel_running",
        }
    }

    // The form that `skip_serializing_if` wants.
    pub(crate) fn is_queue(&self) -> bool {
        *self == Self::Queue
    }
}

/// Checks a JSON pointer (RFC 6901): empty for the whole document, or tokens that each begin with `/`, in which `~`
/// stands only in `~0` and `~1`.
///
/// # Errors
/// A refusal that names `field`: too long, or not a pointer.
pub fn check_pointer(field: &str, pointer: &str) -> Result<(), Refusal> {
    let chars = pointer.chars().count() as u64;
    if chars > limits::KEY_POINTER_CHARS_MAX {
        let max = limits::KEY_POINTER_CHARS_MAX;
        let detail = format!("`{field}` has {chars} characters; at most {max} are allowed");
        return Err(Refusal::field(Code::LimitExceeded, field, detail));
    }
    let refused = |detail: &str| Err(Refusal::field(Code::InvalidField, field, format!("`{field}` {detail}")));
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return refused("is no JSON pointer: it must begin with `/`, as in `/repository/id`");
    }
    if pointer.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        return refused("is no JSON pointer: after `~` there must be 0 or 1");
    }
    if pointer.chars().any(char::is_control) {
        return refused("holds characters that are not allowed");
    }
    Ok(())
}

/// The key that a payload holds at a pointer: a string as it is, a number or a boolean as its JSON text. `None`: there
/// is nothing, or nothing that can be a key.
#[must_use]
pub fn key_at(payload: &Value, pointer: &str) -> Option<String> {
    let key = match payload.pointer(pointer)? {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        value @ (Value::Number(_) | Value::Bool(_)) => Cow::Owned(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let fits = !key.is_empty() && key.chars().count() as u64 <= limits::NAME_CHARS_MAX;
    (fits && !key.chars().any(char::is_control)).then(|| key.into_owned())
}

/// Whether payloads that fit a schema (JSON Schema 2020-12) can have a value at a pointer. Only what is certain counts:
/// `properties` and `additionalProperties: false` are walked, and whatever else a schema says may let it be there.
#[must_use]
pub fn may_be_there(schema: &Value, pointer: &str) -> bool {
    let mut at = schema;
    for token in pointer.split('/').skip(1) {
        if *at == Value::Bool(false) {
            return false;
        }
        let token = token.replace("~1", "/").replace("~0", "~");
        if let Some(inside) = at.get("properties").and_then(|properties| properties.get(&token)) {
            at = inside;
            continue;
        }
        // A place in a list is no member, and `additionalProperties` says nothing of it.
        let in_list = token.bytes().all(|b| b.is_ascii_digit()) && at.get("type") != Some(&Value::from("object"));
        let closed = at.get("additionalProperties") == Some(&Value::Bool(false));
        return in_list || !closed || at.get("patternProperties").is_some();
    }
    *at != Value::Bool(false)
}

#[cfg(test)]
mod tests;
