//! A call that would have been sent: what a rehearsing client answers writes with.

use bytes::Bytes;

/// A write that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The HTTP method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// Headers that the call itself sets, in lower case; neither the token nor a key that the client made up.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}
