//! `orch priority …`: priorities that operators give targets for a while.

use clap::Subcommand;
use jiff::Timestamp;
use orch_client::{Client, TargetPriority};

use crate::complete;
use crate::failure::Failure;
use crate::job::PRIORITIES;
use crate::moment::parse_moment;
use crate::output::{Output, View, Watch};
use crate::throttle::Target;

/// Commands about priorities of targets; `orch job reprioritize` is about one job.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the targets that have a priority for a while.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Let a target's lanes weigh as if their jobs had this priority, until a moment.
    Set(Set),
    /// End the priority of a target before its time.
    End {
        #[command(flatten)]
        target: Target,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Of what, which, until when.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// Its priority: urgent, high, normal, low or backfill.
    #[arg(add = complete::words(PRIORITIES))]
    priority: String,
    #[command(flatten)]
    target: Target,
    /// Until when: RFC 3339, or a duration from now such as +2h; at most seven days.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    until: Timestamp,
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
}

const VIEW: View = View {
    name: "/target",
    columns: &[("TARGET", "/target"), ("PRIORITY", "/priority"), ("UNTIL", "/until"), ("REASON", "/reason")],
    wide: &[("SINCE", "/at"), ("BY", "/by")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => {
            watch.list(output, &VIEW, async || Ok(client.priorities().list().await?.into())).await
        }
        Command::Set(Set { priority, target, until, reason }) => {
            let priority = priority.as_str().into();
            let wanted = TargetPriority { target: target.wire(), priority, until, reason };
            Ok(client.priorities().set(&wanted).await?)
        }
        Command::End { target, reason } => Ok(client.priorities().end(&target.wire(), reason.as_deref()).await?),
    }
}
