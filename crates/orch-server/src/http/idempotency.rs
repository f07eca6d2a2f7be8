//! The `Idempotency-Key` header, and the hashes under which keys and contents are kept.
//! What a repeated key does is the engine's affair.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use orch_core::{Code, JobId, limits};
use orch_dispatch::command::KeyUse;
use sha2::{Digest as _, Sha256};

use super::error::Problem;
use super::fields::check_filled;

const HEADER: &str = "idempotency-key";

/// The header's value, if it was sent.
#[derive(Debug)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        if values.next().is_some() {
            return Err(Problem::field(Code::InvalidField, "Idempotency-Key", "the header may stand only once"));
        }
        let refused = |_| Problem::field(Code::InvalidField, "Idempotency-Key", "the key must be visible ASCII");
        let key = value.to_str().map_err(refused)?;
        check_filled("Idempotency-Key", key, limits::KEY_CHARS_MAX)?;
        Ok(Self(Some(key.to_owned())))
    }
}

/// What keys of one kind of call share: whose they are and what they are for.
#[derive(Debug, Clone)]
pub struct KeySpace(Sha256);

impl KeySpace {
    /// Keys of a subject for an operation.
    pub fn of_subject(subject: &str, operation: &str) -> Self {
        Self::new("subject", subject.as_bytes(), operation)
    }

    /// Keys under a parent job, whoever works on it.
    pub fn of_parent(parent: JobId, operation: &str) -> Self {
        Self::new("parent", parent.0.as_bytes(), operation)
    }

    fn new(kind: &str, whose: &[u8], operation: &str) -> Self {
        let mut space = Fingerprint::default();
        space.part(kind.as_bytes());
        space.part(whose);
        space.part(operation.as_bytes());
        Self(space.0)
    }

    /// A key of this kind in use for some content.
    pub fn key(&self, key: &str, fingerprint: [u8; 16]) -> KeyUse {
        let mut hash = Fingerprint(self.0.clone());
        hash.part(key.as_bytes());
        KeyUse { key: hash.finish(), fingerprint }
    }
}

/// A hash over parts, each with its length before it, so that no two lists of parts look alike.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Takes in a part.
    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Takes in a part that may be absent; an absent one differs from an empty one.
    pub fn maybe(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.part(bytes),
            None => self.0.update(u64::MAX.to_be_bytes()),
        }
    }

    /// The first 16 bytes of the SHA-256.
    pub fn finish(self) -> [u8; 16] {
        let mut first = [0; 16];
        first.copy_from_slice(&self.0.finalize()[..16]);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_subject_operation_and_text() {
        let key = |subject, operation, key| KeySpace::of_subject(subject, operation).key(key, [0; 16]).key;
        let all = [key("a", "b", "c"), key("ab", "", "c"), key("a", "bc", ""), key("x", "b", "c"), key("a", "b", "d")];
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| other != one));
        }
        assert_eq!(key("a", "b", "c"), all[0]);
    }

    #[test]
    fn an_absent_part_is_not_an_empty_one() {
        let hash = |part: Option<&[u8]>| {
            let mut hash = Fingerprint::default();
            hash.maybe(part);
            hash.finish()
        };
        assert_ne!(hash(None), hash(Some(b"")));
    }
}
