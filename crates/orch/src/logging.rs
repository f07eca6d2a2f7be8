//! Logs go to standard error: a server tells what it does, a command only what is wrong.

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Starts a command's logging; `ORCH_LOG` filters it.
pub fn start() {
    let filter = EnvFilter::try_from_env("ORCH_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    start_as(filter, false);
}

/// Starts a server's.
pub fn start_server(settings: &Settings) {
    start_as(EnvFilter::new(settings.text("log")), settings.text("log_format") == "json");
}

fn start_as(filter: EnvFilter, json: bool) {
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if json { builder.json().init() } else { builder.init() }
}
