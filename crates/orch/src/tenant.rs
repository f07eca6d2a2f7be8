//! `orch tenant …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use orch_client::{Allotment, Client};

use crate::complete;
use crate::consent::Consent;
use crate::failure::Failure;
use crate::output::{self, Output, View, Watch};

/// Commands about tenants; they need the scope `orch:admin`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a tenant.
    Create {
        /// Its name.
        name: String,
    },
    /// List tenants.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its name.
        #[arg(add = complete::tenants())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Allot one its share beside the others of its shard. What is not named is as usual.
    Set {
        /// Its name.
        #[arg(add = complete::tenants())]
        name: String,
        #[command(flatten)]
        share: Share,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Mark one for deletion; asks before it does. Until it is erased it can be restored.
    Delete {
        /// Its name.
        #[arg(add = complete::tenants())]
        name: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Take the mark back.
    Restore {
        /// Its name.
        #[arg(add = complete::tenants())]
        name: String,
    },
    /// Write everything of one as JSON lines; the last line is of kind `end`.
    Export {
        /// Its name.
        #[arg(add = complete::tenants())]
        name: String,
        /// Where to put it; standard output when left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// A share beside others.
#[derive(Debug, Args)]
pub struct Share {
    /// How it shares: `unlimited`, `proportional`, `priority`, `reserved` or `max-limit`; what the other options ask for
    /// when left out.
    #[arg(long, value_parser = ["unlimited", "proportional", "priority", "reserved", "max-limit"])]
    strategy: Option<String>,
    /// Its share beside others that wait, 1 to 1,000; the usual is 100.
    #[arg(long)]
    weight: Option<u32>,
    /// Never more attempts under way than so many, whatever is idle.
    #[arg(long)]
    active_max: Option<u32>,
    /// Served before whoever has a lower one, 1 to 100.
    #[arg(long)]
    priority: Option<u32>,
    /// Served first while fewer attempts than so many are under way.
    #[arg(long)]
    reserved: Option<u32>,
}

impl From<Share> for Allotment {
    fn from(Share { strategy, weight, active_max, priority, reserved }: Share) -> Self {
        let asked = [
            (active_max.is_some(), "max_limit"),
            (priority.is_some(), "priority"),
            (reserved.is_some(), "reserved"),
            (weight.is_some(), "proportional"),
        ];
        let meant = || asked.iter().find(|(is_set, _)| *is_set).map_or("unlimited", |(_, word)| word).to_owned();
        let strategy = strategy.map(|word| word.replace('-', "_")).unwrap_or_else(meant);
        Self { strategy, weight, active_max, priority, reserved }
    }
}

const VIEW: View = View {
    name: "/name",
    columns: &[("ID", "/id"), ("NAME", "/name"), ("STATE", "/state"), ("ERASE AT", "/erase_at")],
    wide: &[("STRATEGY", "/allotment/strategy"), ("WEIGHT", "/allotment/weight"), ("CREATED AT", "/created_at")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let tenants = client.tenants();
    match command {
        Command::Create { name } => output.one(&tenants.create(&name).await?, &VIEW),
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(tenants.list().await?.into())).await,
        Command::Show { name, watch } => watch.one(output, &VIEW, async || tenants.get(&name).await, |_| false).await,
        Command::Set { name, share, reason } => {
            output.one(&tenants.allot(&name, &share.into(), reason.as_deref()).await?, &VIEW)
        }
        Command::Delete { name, consent } => {
            consent.to(&format!("delete the tenant `{name}` with everything in it"), client)?;
            output.one(&tenants.delete(&name).await?, &VIEW)
        }
        Command::Restore { name } => output.one(&tenants.restore(&name).await?, &VIEW),
        Command::Export { name, out } => output::bytes(&tenants.export(&name).await?, out.as_deref()),
    }
}
