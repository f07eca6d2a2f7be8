//! Logs go to standard error; `ORCH_LOG` filters them.

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::EnvFilter;

/// Starts logging: a server tells what it does, a command only what is wrong.
pub fn start(server: bool) {
    let usual = if server { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("ORCH_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(AutoStream::choice(&std::io::stderr()) != ColorChoice::Never)
        .init();
}
