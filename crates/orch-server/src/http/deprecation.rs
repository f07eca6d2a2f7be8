//! Operations on their way out: what their answers say of it, and until when they are served.

use axum::http::header::{HeaderName, LINK};
use axum::http::{HeaderMap, HeaderValue};

/// Since when they are deprecated: 2026-01-01T00:00:00Z, as RFC 9745 writes it.
const SINCE: HeaderValue = HeaderValue::from_static("@1767225600");
/// Until when they are served, as RFC 8594 writes it.
const UNTIL: HeaderValue = HeaderValue::from_static("Fri, 31 Dec 2027 23:59:59 GMT");

/// Ids of the deprecated operations, for the document.
pub const OPERATIONS: [&str; 2] = ["get_job_detail", "get_job_summary"];

/// Says that an answer comes from a deprecated operation, and which path takes its place.
pub fn announce(headers: &mut HeaderMap, successor: &str) {
    headers.insert(HeaderName::from_static("deprecation"), SINCE);
    headers.insert(HeaderName::from_static("sunset"), UNTIL);
    if let Ok(link) = HeaderValue::try_from(format!("<{successor}>; rel=\"successor-version\"")) {
        headers.insert(LINK, link);
    }
}
