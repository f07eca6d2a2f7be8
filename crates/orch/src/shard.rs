//! `orch shard …`: where tenants live, and which node serves them.

use clap::Subcommand;
use orch_client::Client;

use crate::complete;
use crate::failure::Failure;
use crate::output::{Output, View, Watch};

/// Commands about shards.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List shards.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Move one to a node. Its tenants' calls are held back for a moment; nothing is lost.
    Move {
        /// The shard's number.
        #[arg(add = complete::shards())]
        shard: u16,
        /// The node, as `orch node list` shows it.
        #[arg(add = complete::nodes())]
        node: String,
    },
    /// Give one to the live node that has fewest, other than its owner.
    Drain {
        /// The shard's number.
        #[arg(add = complete::shards())]
        shard: u16,
    },
}

const VIEW: View = View {
    name: "/shard",
    columns: &[
        ("SHARD", "/shard"),
        ("OWNER", "/owner"),
        ("EPOCH", "/epoch"),
        ("TENANTS", "/tenants"),
        ("WANTED ON", "/wanted_on"),
    ],
    wide: &[],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(client.shards().list().await?.into())).await,
        Command::Move { shard, node } => Ok(client.shards().send(shard, &node).await?),
        Command::Drain { shard } => Ok(client.shards().drain(shard).await?),
    }
}
