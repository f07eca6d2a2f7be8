//! The executable as its users meet it: a real `orch dev`, its commands, and the SDK's worker against it.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod apply;
mod backfills;
mod commands;
mod completions;
mod contexts;
mod graphs;
mod printing;
mod replicas;
mod resources;
mod selections;
mod server;
mod settings;
mod transcript;
mod watermarks;
mod worker;
