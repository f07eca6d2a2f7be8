//! `orch source …`.

use clap::Subcommand;
use orch_client::{Client, Source};

use crate::complete;
use crate::failure::Failure;
use crate::job::parse_label;
use crate::output::{Output, View, Watch, all};

/// Commands about sources.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List sources.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its name.
        #[arg(add = complete::sources())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Make one, or change what is named here of one that exists.
    Put(Box<Put>),
}

/// What to put.
#[derive(Debug, clap::Args)]
pub struct Put {
    /// Its name.
    #[arg(add = complete::sources())]
    name: String,
    /// What kind of upstream: osv, nvd, ghsa, csaf, …
    #[arg(long)]
    kind: String,
    /// Text for people.
    #[arg(long)]
    description: Option<String>,
    /// The upstream's host.
    #[arg(long)]
    host: Option<String>,
    /// Where its secret is kept: secret:…, never the secret.
    #[arg(long)]
    auth_ref: Option<String>,
    /// Attempts for this source at the same time.
    #[arg(long)]
    concurrency_max: Option<u32>,
    /// A host that its workers may call; may be repeated.
    #[arg(long = "egress-allow", value_name = "HOST")]
    egress_allow: Vec<String>,
    /// A label; may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
}

const VIEW: View = View {
    name: "/name",
    columns: &[
        ("NAME", "/name"),
        ("KIND", "/kind"),
        ("HOST", "/host"),
        ("CONCURRENCY", "/concurrency_max"),
        ("DESCRIPTION", "/description"),
    ],
    wide: &[
        ("AUTH REF", "/auth_ref"),
        ("EGRESS ALLOW", "/egress_allow"),
        ("LABELS", "/labels"),
        ("VERSION", "/version"),
        ("UPDATED AT", "/updated_at"),
    ],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List { watch } => {
            let page = async |cursor: Option<String>| client.sources().list(cursor.as_deref()).await;
            watch.list(output, &VIEW, async || all(page).await).await
        }
        Command::Show { name, watch } => {
            watch.one(output, &VIEW, async || client.sources().get(&name).await, |_| false).await
        }
        Command::Put(put) => output.one(&client.sources().create(&wire(*put)).await?, &VIEW),
    }
}

fn wire(put: Put) -> Source {
    Source {
        description: put.description.unwrap_or_default(),
        host: put.host,
        auth_ref: put.auth_ref,
        concurrency_max: put.concurrency_max,
        egress_allow: put.egress_allow,
        labels: put.labels.into_iter().collect(),
        ..Source::new(&put.name, &put.kind)
    }
}
