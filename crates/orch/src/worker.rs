//! `orch worker …`: what works.

use clap::Subcommand;
use orch_client::Client;

use crate::complete;
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
    /// Drain one: it gets nothing more, and ends what it has.
    Drain {
        /// The session, as `orch worker list` shows it.
        #[arg(add = complete::workers())]
        session: String,
    },
}

const VIEW: View = View {
    name: "/session",
    columns: &[
        ("WORKER", "/worker_id"),
        ("SESSION", "/session"),
        ("CAPACITY", "/capacity"),
        ("LEASES", "/leases"),
        ("STATE", "/state"),
        ("HEARD AT", "/heard_at"),
        ("JOB TYPES", "/job_types"),
    ],
    wide: &[("BOOT", "/boot_id"), ("SDK", "/sdk")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Drain { session } => Ok(client.workers().drain(&session).await?),
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(client.workers().list().await?.into())).await,
    }
}
