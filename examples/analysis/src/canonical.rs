//! Canonical JSON (RFC 8785) and digests: what says the same has the same bytes.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// The canonical bytes of a value of this crate.
#[must_use]
pub fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value)
        .expect("texts, counts, lists and maps with text keys encode, because no odd key is among them")
}

/// SHA-256 as hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
