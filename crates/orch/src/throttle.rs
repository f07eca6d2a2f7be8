//! `orch throttle …`: limits that operators set for a while.

use clap::Subcommand;
use jiff::Timestamp;
use orch_client::{Client, PauseTarget, Throttle};

use crate::complete;
use crate::failure::Failure;
use crate::moment::parse_moment;
use crate::output::{Output, View, Watch};

/// Commands about throttles.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what is throttled.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Hold a target to limits until a moment, in place of whatever throttles it now.
    Set(Set),
    /// End the throttle of a target before its time.
    End {
        #[command(flatten)]
        target: Target,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// To what, until when.
#[derive(Debug, clap::Args)]
pub struct Set {
    #[command(flatten)]
    target: Target,
    /// Attempts under way at the same time.
    #[arg(long, value_name = "N", required_unless_present = "per_minute_max")]
    active_max: Option<u32>,
    /// Attempts that begin in any minute.
    #[arg(long, value_name = "N")]
    per_minute_max: Option<u32>,
    /// Until when: RFC 3339, or a duration from now such as +2h; at most seven days.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    until: Timestamp,
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
}

/// What is throttled, or has a priority: one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// All work of the tenant.
    #[arg(long)]
    all: bool,
    /// Jobs of a source.
    #[arg(long, value_name = "NAME", add = complete::sources())]
    source: Option<String>,
    /// Jobs of a type.
    #[arg(long, value_name = "NAME", add = complete::job_types())]
    job_type: Option<String>,
    /// What a quota covers.
    #[arg(long, value_name = "NAME", add = complete::quotas())]
    quota: Option<String>,
    /// One lane, by its number.
    #[arg(long, value_name = "NUMBER", add = complete::lanes())]
    lane: Option<u32>,
}

impl Target {
    /// As it goes over the wire.
    pub fn wire(self) -> PauseTarget {
        let source = self.source.map(PauseTarget::Source);
        let job_type = self.job_type.map(PauseTarget::JobType);
        let quota = self.quota.map(PauseTarget::Quota);
        let named = source.or(job_type).or(quota).or(self.lane.map(PauseTarget::Lane));
        named.unwrap_or(PauseTarget::Tenant)
    }
}

const VIEW: View = View {
    name: "/target",
    columns: &[
        ("TARGET", "/target"),
        ("ACTIVE", "/active"),
        ("ACTIVE MAX", "/active_max"),
        ("MINUTE LEFT", "/minute_left"),
        ("PER MINUTE MAX", "/per_minute_max"),
        ("UNTIL", "/until"),
        ("REASON", "/reason"),
    ],
    wide: &[("SINCE", "/at"), ("BY", "/by")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => {
            watch.list(output, &VIEW, async || Ok(client.throttles().list().await?.into())).await
        }
        Command::Set(Set { target, active_max, per_minute_max, until, reason }) => {
            let throttle = Throttle { target: target.wire(), active_max, per_minute_max, until, reason };
            Ok(client.throttles().set(&throttle).await?)
        }
        Command::End { target, reason } => Ok(client.throttles().end(&target.wire(), reason.as_deref()).await?),
    }
}
