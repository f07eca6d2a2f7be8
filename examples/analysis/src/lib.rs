//! Analysis through the orchestrator: each SBOM is matched with the merged feed that `examples/feeds` exports.
//! This crate is a user of the orchestrator through its SDK; nothing in the orchestrator depends on it.
//! Read `sbom`, `advisory` and `matching` first; `jobs` puts them on the orchestrator, `submit` decides what runs.

pub mod advisory;
pub mod analysis;
pub mod canonical;
pub mod check;
pub mod generate;
pub mod jobs;
pub mod matching;
pub mod package;
pub mod policy;
pub mod report;
pub mod sbom;
pub mod submit;
pub mod version;
