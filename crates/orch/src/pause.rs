//! `orch pause …` and `orch resume …`.

use clap::Subcommand;
use orch_client::{Client, PauseTarget};

use crate::complete;
use crate::failure::Failure;
use crate::output::{Output, View, Watch};

/// What to pause.
#[derive(Debug, Subcommand)]
pub enum Pause {
    /// List what is paused.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    #[command(flatten)]
    Target(Target),
}

/// What to resume.
#[derive(Debug, Subcommand)]
pub enum Resume {
    #[command(flatten)]
    Target(Target),
}

/// What is paused or resumed.
#[derive(Debug, Subcommand)]
pub enum Target {
    /// All work of the tenant.
    Tenant {
        #[command(flatten)]
        why: Why,
    },
    /// Jobs of a source.
    Source {
        /// Its name.
        #[arg(add = complete::sources())]
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// Jobs of a type.
    JobType {
        /// Its name.
        #[arg(add = complete::job_types())]
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// What a quota covers.
    Quota {
        /// The quota's name.
        #[arg(add = complete::quotas())]
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// One lane.
    Lane {
        /// Its number, as `orch lane list` shows it.
        #[arg(add = complete::lanes())]
        number: u32,
        #[command(flatten)]
        why: Why,
    },
}

/// Why; kept in history.
#[derive(Debug, clap::Args)]
pub struct Why {
    /// Why; kept in history.
    #[arg(long)]
    reason: Option<String>,
}

const VIEW: View = View {
    name: "/target",
    columns: &[("TARGET", "/target"), ("SINCE", "/at"), ("BY", "/by"), ("REASON", "/reason")],
    wide: &[],
};

/// Pauses, or lists.
pub async fn pause(command: Pause, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Pause::List { watch } => watch.list(output, &VIEW, async || Ok(client.pauses().await?.into())).await,
        Pause::Target(target) => {
            let (target, why) = wire(target);
            Ok(client.pause(&target, why.reason.as_deref()).await?)
        }
    }
}

/// Resumes.
pub async fn resume(Resume::Target(target): Resume, client: &Client) -> Result<(), Failure> {
    let (target, why) = wire(target);
    Ok(client.resume(&target, why.reason.as_deref()).await?)
}

fn wire(target: Target) -> (PauseTarget, Why) {
    match target {
        Target::Tenant { why } => (PauseTarget::Tenant, why),
        Target::Source { name, why } => (PauseTarget::Source(name), why),
        Target::JobType { name, why } => (PauseTarget::JobType(name), why),
        Target::Quota { name, why } => (PauseTarget::Quota(name), why),
        Target::Lane { number, why } => (PauseTarget::Lane(number), why),
    }
}
