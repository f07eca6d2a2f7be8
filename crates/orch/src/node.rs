//! `orch node …`: the processes that serve the ledger.

use clap::Subcommand;
use orch_client::Client;

use crate::complete;
use crate::failure::Failure;
use crate::output::{Output, View, Watch};

/// Commands about nodes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List nodes that are alive, or were within the last minute.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Drain one: it gives its shards to the others, and takes none.
    Drain {
        /// The node, as `orch node list` shows it.
        #[arg(add = complete::nodes())]
        node: String,
    },
    /// Let one that was drained take shards again.
    Undrain {
        /// The node, as `orch node list` shows it.
        #[arg(add = complete::nodes())]
        node: String,
    },
}

const VIEW: View = View {
    name: "/id",
    columns: &[("NODE", "/id"), ("ADDRESS", "/address"), ("STATE", "/state"), ("SHARDS", "/shards")],
    wide: &[("ALIVE MS", "/alive_ms"), ("ANSWERS", "/answers")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(client.nodes().list().await?.into())).await,
        Command::Drain { node } => Ok(client.nodes().drain(&node).await?),
        Command::Undrain { node } => Ok(client.nodes().undrain(&node).await?),
    }
}
