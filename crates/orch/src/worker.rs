//! `orch worker …`: what works.

use clap::Subcommand;
use orch_client::Client;

use crate::failure::Failure;
use crate::output::{Output, View, Watch};

/// Commands about worker sessions.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List worker sessions.
    List {
        #[command(flatten)]
        watch: Watch,
    },
}

const VIEW: View = View {
    name: "/session",
    columns: &[
        ("WORKER", "/worker_id"),
        ("SESSION", "/session"),
        ("CAPACITY", "/capacity"),
        ("LEASES", "/leases"),
        ("HEARD AT", "/heard_at"),
        ("JOB TYPES", "/job_types"),
    ],
    wide: &[("BOOT", "/boot_id"), ("SDK", "/sdk")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(client.workers().list().await?.into())).await,
    }
}
