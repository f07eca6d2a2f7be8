//! `orch project …`.

use clap::Subcommand;
use orch_client::{Client, Project};

use crate::complete;
use crate::failure::Failure;
use crate::output::{Output, View, Watch, all};

/// Commands about projects.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List projects.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its name.
        #[arg(add = complete::projects())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Make one, or change what is named here of one that exists.
    Put {
        /// Its name.
        #[arg(add = complete::projects())]
        name: String,
        /// Text for people.
        #[arg(long)]
        description: Option<String>,
    },
}

const VIEW: View = View {
    name: "/name",
    columns: &[("NAME", "/name"), ("DESCRIPTION", "/description")],
    wide: &[("VERSION", "/version"), ("UPDATED AT", "/updated_at")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => {
            let page = async |cursor: Option<String>| client.projects().list(cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { name, watch } => {
            watch.one(output, &VIEW, async || client.projects().get(&name).await, |_| false).await
        }
        Command::Put { name, description } => {
            let wanted = Project { description: description.unwrap_or_default(), ..Project::new(&name) };
            output.one(&client.projects().create(&wanted).await?, &VIEW)
        }
    }
}
