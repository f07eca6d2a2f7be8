//! `orch tenant …`.

use clap::Subcommand;
use orch_client::Client;

use crate::failure::Failure;
use crate::output::{Output, View, Watch};

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
}

const VIEW: View = View { name: "/name", columns: &[("ID", "/id"), ("NAME", "/name")], wide: &[] };

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create { name } => output.one(&client.tenants().create(&name).await?, &VIEW),
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(client.tenants().list().await?.into())).await,
    }
}
