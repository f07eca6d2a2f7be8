//! The id of a request: the caller's if it is well-formed, else a new one. Problems and the log carry it.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use orch_core::Timestamp;
use orch_core::ids::v7;
use rand::Rng as _;

use crate::clock;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const CHARS_MAX: usize = 128;

/// The id of the request at hand.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that the caller gave, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).filter(|value| well_formed(value));
        Self(given.cloned().unwrap_or_else(|| fresh(clock::now())))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Says it in the answer.
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(HEADER, self.0);
    }
}

fn well_formed(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b);
    !bytes.is_empty() && bytes.len() <= CHARS_MAX && bytes.iter().all(plain)
}

fn fresh(now: Timestamp) -> HeaderValue {
    let id = v7(now, rand::rng().random());
    HeaderValue::try_from(format!("req_{}", id.simple())).expect("hexadecimal digits are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_is_kept_and_anything_else_is_replaced() {
        let mut headers = HeaderMap::new();
        assert!(RequestId::of(&headers).as_str().starts_with("req_"));
        headers.insert(HEADER, HeaderValue::from_static("trace-1/2"));
        assert_eq!(RequestId::of(&headers).as_str(), "trace-1/2");
        for bad in ["", "a b", "<script>", &"x".repeat(129)] {
            headers.insert(HEADER, HeaderValue::from_str(bad).unwrap());
            assert!(RequestId::of(&headers).as_str().starts_with("req_"), "{bad}");
        }
    }
}
