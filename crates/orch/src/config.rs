//! `orch config …`: contexts, which say where a server is and who we are to it; a server's settings are in `show`.

mod show;

use clap::Subcommand;
use serde::Serialize;

use crate::complete;
use crate::connection::Connection;
use crate::context::{Context, Contexts};
use crate::failure::Failure;
use crate::output::{Output, View, text};
use crate::secret::Secret;
use crate::settings::Flags;

/// Commands about contexts and settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every setting of a server with its value and where that comes from: file, env, flag or default.
    Show(Flags),
    #[command(flatten)]
    Context(ContextCommand),
}

/// Commands about contexts.
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// List contexts.
    GetContexts,
    /// Print the name of the context that is used.
    CurrentContext,
    /// Use this context from now on.
    UseContext {
        /// Its name.
        #[arg(add = complete::contexts())]
        name: String,
    },
    /// Make a context, or change what is named here of one that exists. --address says where its server is.
    SetContext(Set),
    /// Forget a context.
    DeleteContext {
        /// Its name.
        #[arg(add = complete::contexts())]
        name: String,
    },
}

/// What to set.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// Its name.
    #[arg(add = complete::contexts())]
    name: String,
    /// Which tenant is meant, of those that the token allows.
    #[arg(long)]
    tenant: Option<String>,
    /// Where the token is kept; the token itself is not written down.
    #[arg(long, value_name = "env:NAME|file:PATH")]
    token_ref: Option<Secret>,
    /// Write down the token that --token gives. The file is readable by its owner alone, and no more than that.
    #[arg(long, conflicts_with = "token_ref", requires = "token")]
    inline_token: bool,
}

const VIEW: View = View {
    name: "/name",
    columns: &[
        ("CURRENT", "/current"),
        ("NAME", "/name"),
        ("ADDRESSES", "/addresses"),
        ("TENANT", "/tenant"),
        ("TOKEN", "/token"),
    ],
    wide: &[],
};

/// A context as it is shown.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    current: Option<&'static str>,
    name: &'a str,
    addresses: &'a [String],
    tenant: Option<&'a str>,
    token: Option<String>,
}

/// Runs a command.
pub fn run(command: Command, connection: &Connection, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Show(flags) => show::run(&flags, output),
        Command::Context(command) => run_context(command, connection, output),
    }
}

fn run_context(command: ContextCommand, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let mut contexts = Contexts::read()?;
    match command {
        ContextCommand::GetContexts => output.list(&shown(&contexts).into(), &VIEW),
        ContextCommand::CurrentContext => match &contexts.current {
            Some(name) => text(name),
            None => Err(Failure::missing("no context is used", "`orch config use-context NAME` uses one")),
        },
        ContextCommand::UseContext { name } => {
            contexts.get(&name)?;
            contexts.current = Some(name);
            contexts.write()
        }
        ContextCommand::SetContext(set) => {
            let name = set.name.clone();
            let found = contexts.contexts.remove(&name).unwrap_or_default();
            contexts.contexts.insert(name, changed(found, set, connection)?);
            contexts.write()
        }
        ContextCommand::DeleteContext { name } => {
            contexts.get(&name)?;
            contexts.contexts.remove(&name);
            contexts.current = contexts.current.filter(|current| *current != name);
            contexts.write()
        }
    }
}

fn changed(mut context: Context, set: Set, connection: &Connection) -> Result<Context, Failure> {
    let typed = connection.typed();
    if let Some(addresses) = typed.addresses {
        context.addresses = addresses.to_vec();
    }
    if let Some(tenant) = set.tenant {
        context.tenant = Some(tenant);
    }
    match (set.token_ref, typed.token) {
        (Some(Secret::Inline(_)), _) => {
            return Err(Failure::refused("a reference names where the token is kept", "env:NAME or file:PATH"));
        }
        (Some(reference), _) => context.token = Some(reference),
        (None, Some(token)) if set.inline_token => context.token = Some(Secret::Inline(token.to_owned())),
        (None, Some(_)) => {
            return Err(Failure::refused(
                "a token is not written down unless you insist",
                "--token-ref env:NAME or file:PATH says where it is kept; --inline-token insists",
            ));
        }
        (None, None) => {}
    }
    Ok(context)
}

fn shown(contexts: &Contexts) -> Vec<Shown<'_>> {
    let shown = contexts.contexts.iter().map(|(name, context)| Shown {
        current: (contexts.current.as_ref() == Some(name)).then_some("*"),
        name,
        addresses: &context.addresses,
        tenant: context.tenant.as_deref(),
        token: context.token.as_ref().map(ToString::to_string),
    });
    shown.collect()
}
