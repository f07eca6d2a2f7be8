//! Where the server is and who we are to it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use orch_client::{Client, ClientBuilder};

use crate::failure::Failure;

/// Where the server is and who we are to it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Where the server listens; several are replicas of one.
    #[arg(
        long,
        env = "ORCH_ADDRESS",
        value_name = "URL",
        value_delimiter = ',',
        global = true,
        default_value = "http://127.0.0.1:7400"
    )]
    address: Vec<String>,
    /// The API token. Better in the environment, where other users cannot read it.
    #[arg(long, env = "ORCH_TOKEN", hide_env_values = true, value_name = "TOKEN", global = true)]
    token: Option<String>,
    /// Read the API token from this file, such as the one that `orch dev` keeps.
    #[arg(long, env = "ORCH_TOKEN_FILE", value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// How long a command waits for a server that cannot serve it now.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, global = true)]
    patience: u64,
}

impl Connection {
    /// A client with our token.
    pub fn client(&self) -> Result<Client, Failure> {
        let token = self.token()?.ok_or(Failure::NoToken)?;
        Ok(self.builder().token(token).build()?)
    }

    /// A client without one.
    pub fn anonymous(&self) -> Result<Client, Failure> {
        Ok(self.builder().build()?)
    }

    fn builder(&self) -> ClientBuilder {
        let builder = Client::builder().patience(Duration::from_secs(self.patience));
        self.address.iter().fold(builder, |builder, address| builder.address(address))
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let given = self.token.as_deref().filter(|token| !token.is_empty());
        match (given, &self.token_file) {
            (Some(token), _) => Ok(Some(token.to_owned())),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                let text = text.with_context(|| format!("could not read the token from {}", file.display()))?;
                Ok(Some(text.trim().to_owned()))
            }
            (None, None) => Ok(None),
        }
    }
}
