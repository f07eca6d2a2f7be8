//! Workers that ingest real vulnerability feeds: RustSec, PyPA, CISA KEV and CSAF 2.0 become one merged export.
//! This crate is a user of the orchestrator through its SDK; nothing in the orchestrator depends on it.
//! Read `document` (bytes to entries), `merge` and `export` first; `jobs` puts them on the orchestrator.

pub mod canonical;
pub mod document;
pub mod export;
pub mod feed;
pub mod folder;
pub mod generate;
pub mod jobs;
pub mod location;
pub mod merge;
pub mod parts;
pub mod reading;
pub mod record;
pub mod timestamp;
pub mod upstream;
