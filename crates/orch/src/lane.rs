//! `orch lane …`: what jobs wait in, and what holds them.

use clap::Subcommand;
use orch_client::Client;

use crate::complete;
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
    /// Explain why one waits: every gate that holds it now.
    Explain {
        /// Its number.
        #[arg(add = complete::lanes())]
        lane: u32,
        #[command(flatten)]
        watch: Watch,
    },
}

/// What holds a job or a lane.
pub const HOLDS: View = View {
    name: "/gate",
    columns: &[("GATE", "/gate"), ("BY", "/by"), ("OPENS AT", "/opens_at"), ("ADVICE", "/advice")],
    wide: &[("SINCE", "/since")],
};

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
        ("HELD BY", "/held_by"),
    ],
    wide: &[],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(client.lanes().await?.into())).await,
        Command::Explain { lane, watch } => {
            watch.list(output, &HOLDS, async || Ok(client.explain_lane(lane).await?.holds.into())).await
        }
    }
}
