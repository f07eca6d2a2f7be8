//! The ledger twice: `postgres::PostgresLedger` and `sqlite::SqliteLedger`, and where uploaded bytes lie.
//!
//! The only place with SQL; each statement has its own file under `sql/`. What a ledger must do is said in
//! `orch_core::port`; nothing is decided here that the port or the schema does not say.

mod codec;
mod folder_blobs;
mod job_page;
mod migration;
pub mod postgres;
mod rotation;
mod run_page;
pub mod sqlite;
mod tail;

pub use folder_blobs::FolderBlobs;
