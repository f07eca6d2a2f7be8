//! Where the server is and who we are to it: flags before the environment before the context in use.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use orch_client::{Client, ClientBuilder};

use crate::complete;
use crate::context::{Context, Contexts};
use crate::failure::Failure;
use crate::secret::Secret;

/// Where `orch dev` listens when nothing is said.
const ADDRESS: &str = "http://127.0.0.1:7400";

/// Where the server is and who we are to it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Where the server listens; several are replicas of one. http://127.0.0.1:7400 when nothing says otherwise.
    #[arg(long, env = "ORCH_ADDRESS", value_name = "URL", value_delimiter = ',', global = true)]
    address: Vec<String>,
    /// The API token. Better in the environment, where other users cannot read it.
    #[arg(long, env = "ORCH_TOKEN", hide_env_values = true, value_name = "TOKEN", global = true)]
    token: Option<String>,
    /// Read the API token from this file, such as the one that `orch dev` keeps.
    #[arg(long, env = "ORCH_TOKEN_FILE", value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// The context to use instead of the current one; typed, it goes before the environment.
    #[arg(long, env = "ORCH_CONTEXT", value_name = "NAME", global = true, add = complete::contexts())]
    context: Option<String>,
    /// Send reads only; print the first write that would have been sent, and end. `orch apply` prints what it would change.
    #[arg(long, global = true)]
    dry_run: bool,
    /// How long a command waits for a server that cannot serve it now.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, global = true)]
    patience: u64,
    /// What was typed, and does not come from the environment.
    #[arg(skip)]
    typed: TypedFlags,
}

/// Which flags were typed.
#[derive(Debug, Clone, Copy, Default)]
struct TypedFlags {
    address: bool,
    token: bool,
    token_file: bool,
    context: bool,
}

/// What was typed on the command line itself.
#[derive(Debug)]
pub struct Typed<'a> {
    /// --address.
    pub addresses: Option<&'a [String]>,
    /// --token.
    pub token: Option<&'a str>,
    /// --token-file.
    pub token_file: Option<&'a Path>,
}

impl Connection {
    /// Notes what was typed; the environment counts less.
    pub fn note_typed(&mut self, matches: &ArgMatches) {
        let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        self.typed = TypedFlags {
            address: typed("address"),
            token: typed("token"),
            token_file: typed("token_file"),
            context: typed("context"),
        };
    }

    /// What was typed on the command line itself.
    pub fn typed(&self) -> Typed<'_> {
        Typed {
            addresses: self.typed.address.then_some(self.address.as_slice()),
            token: self.token.as_deref().filter(|_| self.typed.token),
            token_file: self.token_file.as_deref().filter(|_| self.typed.token_file),
        }
    }

    /// Refuses `--dry-run` for a command that could not keep to it.
    pub fn refuse_dry_run(&self, command: &str) -> Result<(), Failure> {
        match self.dry_run {
            true => Err(Failure::refused(
                format!("`orch {command}` has no --dry-run"),
                "it is for commands that talk to a server",
            )),
            false => Ok(()),
        }
    }

    /// A client with our token.
    pub fn client(&self) -> Result<Client, Failure> {
        let context = self.context()?;
        let token = self.token(&context)?.ok_or(Failure::NoToken)?;
        Ok(self.builder(&context).token(token).build()?)
    }

    /// A client without one.
    pub fn anonymous(&self) -> Result<Client, Failure> {
        Ok(self.builder(&self.context()?).build()?)
    }

    /// The context in use; an empty one if there is none.
    fn context(&self) -> Result<Context, Failure> {
        let contexts = Contexts::read()?;
        match self.context.as_ref().filter(|name| !name.is_empty()).or(contexts.current.as_ref()) {
            Some(name) => contexts.get(name).cloned(),
            None => Ok(Context::default()),
        }
    }

    fn builder(&self, context: &Context) -> ClientBuilder {
        let mut builder = Client::builder().patience(Duration::from_secs(self.patience));
        if self.dry_run {
            builder = builder.rehearsing();
        }
        if let Some(tenant) = &context.tenant {
            builder = builder.tenant(tenant);
        }
        self.addresses(context).iter().fold(builder, ClientBuilder::address)
    }

    fn addresses(&self, context: &Context) -> Vec<String> {
        let own = Some(&self.address).filter(|addresses| addresses.iter().any(|address| !address.is_empty()));
        let kept = Some(&context.addresses).filter(|addresses| !addresses.is_empty());
        let first = if self.typed.context && !self.typed.address { kept.or(own) } else { own.or(kept) };
        first.cloned().unwrap_or_else(|| vec![ADDRESS.to_owned()])
    }

    fn token(&self, context: &Context) -> Result<Option<String>, Failure> {
        let token = self.token.as_deref().filter(|token| !token.is_empty());
        let file = self.token_file.as_deref().filter(|file| !file.as_os_str().is_empty());
        let typed = (token.filter(|_| self.typed.token), file.filter(|_| self.typed.token_file));
        if let Some(typed) = given(typed.0, typed.1)? {
            return Ok(Some(typed));
        }
        let kept = |context: &Context| context.token.as_ref().map(fetched).transpose();
        if self.typed.context
            && let Some(kept) = kept(context)?
        {
            return Ok(Some(kept));
        }
        match given(token, file)? {
            Some(own) => Ok(Some(own)),
            None => kept(context),
        }
    }
}

fn fetched(secret: &Secret) -> Result<String, Failure> {
    secret.read().map_err(|error| Failure::no_token(&error))
}

fn given(token: Option<&str>, file: Option<&Path>) -> Result<Option<String>, Failure> {
    match (token, file) {
        (Some(token), _) => Ok(Some(token.to_owned())),
        (None, Some(file)) => fetched(&Secret::File(file.to_owned())).map(Some),
        (None, None) => Ok(None),
    }
}
