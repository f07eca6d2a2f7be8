//! The export: one canonical JSON line for each advisory, by id, and the SHA-256 of the whole.
//! It merges nothing and stores nothing.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{canonical, merge::Advisory};

/// An export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The lines, each with a line break.
    pub bytes: Vec<u8>,
    /// How many lines.
    pub advisories: u64,
    /// SHA-256 of the bytes, as hexadecimal digits.
    pub digest: String,
}

/// Why bytes are no export.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The last line is not whole.
    #[error("the last line has no line break")]
    Unfinished,
    /// A line cannot be read or is not in canonical form.
    #[error("line {0} is not a canonical advisory")]
    NotCanonical(u64),
    /// A line is out of order.
    #[error("line {0} does not come after the line in front of it")]
    OutOfOrder(u64),
}

impl Export {
    /// Writes advisories that are sorted by id, as `merge` gives them.
    #[must_use]
    pub fn write(advisories: &[Advisory]) -> Export {
        let mut bytes = Vec::new();
        for advisory in advisories {
            bytes.extend_from_slice(canonical::text(advisory).as_bytes());
            bytes.push(b'\n');
        }
        Export { advisories: advisories.len() as u64, digest: digest(&bytes), bytes }
    }

    /// Checks that bytes are an export: whole canonical lines, ids rising.
    ///
    /// # Errors
    /// The first line that is not.
    pub fn check(bytes: Vec<u8>) -> Result<Export, ExportError> {
        if bytes.last().is_some_and(|&last| last != b'\n') {
            return Err(ExportError::Unfinished);
        }
        let mut advisories = 0;
        let mut before = String::new();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            advisories += 1;
            let id = canonical_id(&line[..line.len() - 1]).ok_or(ExportError::NotCanonical(advisories))?;
            if advisories > 1 && id <= before {
                return Err(ExportError::OutOfOrder(advisories));
            }
            before = id;
        }
        Ok(Export { advisories, digest: digest(&bytes), bytes })
    }
}

/// SHA-256 as hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn canonical_id(line: &[u8]) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let advisory = Advisory::deserialize(&mut deserializer).ok()?;
    (canonical::text(&advisory).as_bytes() == line).then_some(advisory.id)
}

#[cfg(test)]
mod tests {
    use super::{Export, ExportError};
    use crate::{
        feed::Feed,
        merge::merge,
        record::{Entry, Record},
    };

    fn two() -> Export {
        let entry = |id: &str| Entry {
            feed: Feed::Kev,
            path: format!("kev/k.json#{id}"),
            id: id.to_owned(),
            records: vec![Record {
                id: id.to_owned(),
                summary: Some("a \"b\" \u{7f}é\n".to_owned()),
                ..Record::default()
            }],
        };
        Export::write(&merge(vec![entry("CVE-2"), entry("CVE-1")]).advisories)
    }

    #[test]
    fn what_was_written_is_an_export() {
        assert_eq!(Export::check(two().bytes), Ok(two()));
        assert_eq!(Export::check(Vec::new()).map(|export| export.advisories), Ok(0));
    }

    #[test]
    fn cut_mixed_or_rewritten_bytes_are_not() {
        let bytes = two().bytes;
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        assert_eq!(Export::check(bytes[..bytes.len() - 1].to_vec()), Err(ExportError::Unfinished));
        assert_eq!(Export::check([lines[1], lines[0]].concat()), Err(ExportError::OutOfOrder(2)));
        let spaced = String::from_utf8_lossy(lines[0]).replacen(':', ": ", 1);
        assert_eq!(Export::check(spaced.into_bytes()), Err(ExportError::NotCanonical(1)));
    }
}
