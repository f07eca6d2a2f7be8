//! The `Prefer` header of RFC 7240, as far as it is kept here: `return=minimal`. What is not known is passed over, as
//! that text asks.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::HeaderName;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response};

const HEADER: &str = "prefer";
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const MINIMAL: &str = "return=minimal";

/// How much of what was made the caller wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// All of it.
    Whole,
    /// Its ids.
    Minimal,
}

impl Prefer {
    /// The answer, saying that the preference was kept.
    pub fn noted<B>(self, mut response: Response<B>) -> Response<B> {
        if self == Self::Minimal {
            response.headers_mut().insert(APPLIED, HeaderValue::from_static(MINIMAL));
        }
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(HEADER).iter().filter_map(|value| value.to_str().ok());
        let mut preferences = values.flat_map(|value| value.split(','));
        let minimal = |text: &str| text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MINIMAL);
        Ok(if preferences.any(minimal) { Self::Minimal } else { Self::Whole })
    }
}
