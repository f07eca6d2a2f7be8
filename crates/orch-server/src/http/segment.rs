//! Segments of a path as text. What is not UTF-8 names nothing.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::error::Problem;

/// The path's two parameters.
#[derive(Debug)]
pub struct Segments(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<(String, String)>::from_request_parts(parts, state).await;
        found.map(|Path((one, other))| Self(one, other)).map_err(|_| Problem::not_found("path"))
    }
}

/// The path's only parameter.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        found.map(|Path(text)| Self(text)).map_err(|_| Problem::not_found("path"))
    }
}
