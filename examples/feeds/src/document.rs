//! From a document's bytes to its entries, or to the one reason why not.
//! It opens no file and merges nothing; each feed's rules are in the module of its name.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512};

use crate::{feed::Feed, record::Entry};

mod csaf;
mod kev;
mod node;
mod pypa;
mod rustsec;
#[cfg(test)]
mod tests;

/// A document as it was fetched.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The feed that it belongs to.
    pub feed: Feed,
    /// Its path in the feed's folder, with the feed's name in front.
    pub path: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The content of the `.sha512` file beside it, if there is one.
    pub sha512: Option<&'a str>,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentCode {
    /// The feed publishes a SHA-512 beside each document and there is none.
    HashMissing,
    /// The bytes do not have the published SHA-512.
    HashMismatch,
    /// Not UTF-8.
    NotUtf8,
    /// It ends before its end.
    Truncated,
    /// Not JSON, TOML or YAML, and it does not look cut off.
    BadSyntax,
    /// A field is missing or is not what the format says.
    BadSchema,
    /// It has no id.
    MissingId,
}

impl DocumentCode {
    /// The code on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DocumentCode::HashMissing => "hash_missing",
            DocumentCode::HashMismatch => "hash_mismatch",
            DocumentCode::NotUtf8 => "not_utf8",
            DocumentCode::Truncated => "truncated",
            DocumentCode::BadSyntax => "bad_syntax",
            DocumentCode::BadSchema => "bad_schema",
            DocumentCode::MissingId => "missing_id",
        }
    }
}

impl fmt::Display for DocumentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a document was refused. The text names its path and, where one is at fault, the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {}{detail}", field.as_deref().map(|field| format!("{field}: ")).unwrap_or_default())]
pub struct DocumentError {
    /// What is wrong.
    pub code: DocumentCode,
    /// The document's path.
    pub path: String,
    /// The field at fault, such as `document.tracking.id`.
    pub field: Option<String>,
    /// What was expected there.
    pub detail: String,
}

/// A fault inside a document whose path is not known yet.
#[derive(Debug)]
struct Fault {
    code: DocumentCode,
    field: Option<String>,
    detail: String,
}

impl Fault {
    fn whole(code: DocumentCode, detail: impl Into<String>) -> Fault {
        Fault { code, field: None, detail: detail.into() }
    }

    fn field(code: DocumentCode, field: impl Into<String>, detail: impl Into<String>) -> Fault {
        Fault { code, field: Some(field.into()), detail: detail.into() }
    }
}

/// Reads a document: checks its hash, its encoding, its syntax and its schema, in this order.
///
/// # Errors
/// The first of these that fails.
pub fn read(document: &Document<'_>) -> Result<Vec<Entry>, DocumentError> {
    read_checked(document).map_err(|fault| DocumentError {
        code: fault.code,
        path: document.path.to_owned(),
        field: fault.field,
        detail: fault.detail,
    })
}

fn read_checked(document: &Document<'_>) -> Result<Vec<Entry>, Fault> {
    if document.feed.hash_path(document.path).is_some() {
        check_hash(document)?;
    }
    let text = std::str::from_utf8(document.bytes)
        .map_err(|error| Fault::whole(DocumentCode::NotUtf8, format!("byte {} is not UTF-8", error.valid_up_to())))?;
    match document.feed {
        Feed::Rustsec => rustsec::read(document.path, text),
        Feed::Pypa => pypa::read(document.path, text),
        Feed::Csaf => csaf::read(document.path, text),
        Feed::Kev => kev::read(document.path, text),
    }
}

fn check_hash(document: &Document<'_>) -> Result<(), Fault> {
    let published = document
        .sha512
        .and_then(|text| text.split_ascii_whitespace().next())
        .ok_or_else(|| Fault::whole(DocumentCode::HashMissing, "no .sha512 file beside it"))?;
    let found = hex::encode(Sha512::digest(document.bytes));
    if published.eq_ignore_ascii_case(&found) {
        return Ok(());
    }
    let shown = |hash: &str| hash.chars().take(16).collect::<String>();
    let detail = format!("its SHA-512 is {}…, published is {}…", shown(&found), shown(published));
    Err(Fault::whole(DocumentCode::HashMismatch, detail))
}

/// Parses JSON; a text that cannot be parsed and does not end in `}` counts as cut off.
fn json(text: &str) -> Result<serde_json::Value, Fault> {
    serde_json::from_str(text).map_err(|error| {
        let whole = text.trim_end_matches([' ', '\t', '\r', '\n']).ends_with('}');
        let code = if whole { DocumentCode::BadSyntax } else { DocumentCode::Truncated };
        Fault::whole(code, format!("not JSON: {error}"))
    })
}

/// The whitespace that is cut from the ends of texts: ASCII only, so that every reader cuts the same.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn non_empty(text: &str) -> Option<String> {
    let text = trimmed(text);
    (!text.is_empty()).then(|| text.to_owned())
}
