//! `orch lane …`: what jobs wait in, and what holds them.

use clap::Subcommand;
use orch_client::Client;

use crate::failure::Failure;
use crate::output::{Output, View, Watch};

/// Commands about lanes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List lanes.
    List {
        #[command(flatten)]
        watch: Watch,
    },
}

const VIEW: View = View {
    name: "/lane",
    columns: &[
        ("LANE", "/lane"),
        ("PROJECT", "/project"),
        ("JOB TYPE", "/job_type"),
        ("SOURCE", "/source"),
        ("PRIORITY", "/priority"),
        ("KEY", "/concurrency_key"),
        ("READY", "/ready"),
        ("LEASED", "/leased"),
        ("WAITING ON", "/waiting_on"),
    ],
    wide: &[("HELD BY", "/held_by")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(client.lanes().await?.into())).await,
    }
}
