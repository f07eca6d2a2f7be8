//! `orch tenant …`.

use std::path::PathBuf;

use clap::Subcommand;
use orch_client::Client;

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

const VIEW: View = View {
    name: "/name",
    columns: &[("ID", "/id"), ("NAME", "/name"), ("STATE", "/state"), ("ERASE AT", "/erase_at")],
    wide: &[("CREATED AT", "/created_at")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let tenants = client.tenants();
    match command {
        Command::Create { name } => output.one(&tenants.create(&name).await?, &VIEW),
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(tenants.list().await?.into())).await,
        Command::Show { name, watch } => watch.one(output, &VIEW, async || tenants.get(&name).await, |_| false).await,
        Command::Delete { name, consent } => {
            consent.to(&format!("delete the tenant `{name}` with everything in it"), client)?;
            output.one(&tenants.delete(&name).await?, &VIEW)
        }
        Command::Restore { name } => output.one(&tenants.restore(&name).await?, &VIEW),
        Command::Export { name, out } => output::bytes(&tenants.export(&name).await?, out.as_deref()),
    }
}
