//! What becomes of documents that declare things. The call is in `apply`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::word::words;

words! {
    /// What was done with a document, or would be.
    AppliedAction {
        /// There was none of its kind and name.
        Created = "created",
        /// A new version took the place of the one that was there.
        Changed = "changed",
        /// It says what is there already.
        Unchanged = "unchanged",
        /// It could not be written when its turn came: somebody else was faster, or the server could not serve.
        Refused = "refused",
        /// It was left alone, because the server could not serve a document before it.
        NotTried = "not_tried",
    }
}

/// What became of a document, or would.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Which kind of thing: `source`, `bucket`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What was done, or would be.
    pub action: AppliedAction,
    /// Its version after the call, as far as the call knows.
    #[serde(default)]
    pub version: Option<u64>,
    /// What the document changes.
    #[serde(default)]
    pub diff: Vec<Difference>,
    /// Why it was refused: `version_conflict`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One place where a document differs from what is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The place, as a JSON pointer; empty for the whole document.
    pub path: String,
    /// What is there now, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub from: Option<Value>,
    /// What is to be there, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub to: Option<Value>,
}

/// A null that is there is a value.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Applied {
    /// The document is as it is wanted, or would be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !matches!(self.action, AppliedAction::Refused | AppliedAction::NotTried)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_null_differs_from_nothing() {
        let wire = json!({"path": "/host", "from": null});
        let read: Difference = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!((&read.from, &read.to), (&Some(Value::Null), &None));
        assert_eq!(serde_json::to_value(read).unwrap(), wire);
    }
}
