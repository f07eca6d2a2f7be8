//! The only HTTP and wire JSON: handlers, access, problems, OpenAPI. Decides nothing about jobs.
//!
//! A handler extracts, requires a scope, calls the engine, and turns the answer into a wire type.

pub mod access;
mod clock;
mod http;
mod openapi;
mod peers;
mod serve;
mod state;

pub use http::{BASE, router};
pub use openapi::openapi_json;
pub use peers::{HttpPeers, NodeSecret};
pub use serve::serve;
pub use state::AppState;
