//! `orch token …`.

use clap::Subcommand;
use jiff::Timestamp;
use orch_client::{Client, TokenIn};

use crate::complete;
use crate::consent::Consent;
use crate::failure::Failure;
use crate::moment::parse_moment;
use crate::output::{Output, View, Watch};

/// Commands about API tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the tokens of one's tenant, revoked and expired ones too; never their secrets.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one.
    Show {
        /// Its id.
        #[arg(add = complete::tokens())]
        id: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Revoke one for good; asks before it does.
    Revoke {
        /// Its id.
        #[arg(add = complete::tokens())]
        id: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Make a token; its secret is shown this once.
    Create {
        /// Its tenant, by name or id; one's own when left out.
        #[arg(long, add = complete::tenants())]
        tenant: Option<String>,
        /// Text for people.
        #[arg(long)]
        name: String,
        /// What it allows: read, operate, quota, backfill, worker, submit, admin.
        #[arg(long = "scope", required = true, value_delimiter = ',', value_name = "SCOPE", add = complete::words(SCOPES))]
        scopes: Vec<String>,
        /// When it ends: RFC 3339, or +DURATION.
        #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
        expires_at: Option<Timestamp>,
    },
}

/// The scopes, as they are typed.
const SCOPES: &[&str] = &["read", "operate", "quota", "backfill", "worker", "submit", "admin"];

const VIEW: View = View {
    name: "/id",
    columns: &[
        ("ID", "/id"),
        ("NAME", "/name"),
        ("STATE", "/state"),
        ("SCOPES", "/scopes"),
        ("CREATED AT", "/created_at"),
        ("EXPIRES AT", "/expires_at"),
    ],
    wide: &[("TENANT", "/tenant"), ("REVOKED AT", "/revoked_at")],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let tokens = client.tokens();
    match command {
        Command::List { watch } => watch.list(output, &VIEW, async || Ok(tokens.list().await?.into())).await,
        Command::Show { id, watch } => watch.one(output, &VIEW, async || tokens.get(&id).await, |_| false).await,
        Command::Revoke { id, consent } => {
            consent.to(&format!("revoke the token {id}"), client)?;
            let revoked = tokens.revoke(&id).await?;
            output.brief(&revoked, &VIEW, &revoked.state)
        }
        Command::Create { tenant, name, scopes, expires_at } => {
            let scopes = scopes.iter().map(|scope| full_scope(scope)).collect();
            output.one(&tokens.create(&TokenIn { name, scopes, tenant, expires_at }).await?, &VIEW)
        }
    }
}

/// `read` is short for `orch:read`.
fn full_scope(scope: &str) -> String {
    if scope.contains(':') { scope.to_owned() } else { format!("orch:{scope}") }
}
