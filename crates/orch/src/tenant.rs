//! `orch tenant …`.

use clap::Subcommand;
use orch_client::Client;

use crate::failure::Failure;
use crate::output::{Column, Output};

/// Commands about tenants; they need the scope `orch:admin`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a tenant.
    Create {
        /// Its name.
        name: String,
    },
    /// List tenants.
    List,
}

const COLUMNS: &[Column] = &[("ID", "/id"), ("NAME", "/name")];

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create { name } => output.one(&client.tenants().create(&name).await?),
        Command::List => output.list(&client.tenants().list().await?, COLUMNS),
    }
}
