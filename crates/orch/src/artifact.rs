//! `orch artifact …`: outputs by digest.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use orch_client::Client;

use crate::failure::Failure;
use crate::output::{self, Output, View};

/// Commands about artifacts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download one; its digest is checked.
    Get {
        /// Its SHA-256, 64 hexadecimal digits.
        sha256: String,
        /// Where to put it; standard output when left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Upload one; prints its SHA-256. The same bytes again are the same artifact.
    Put {
        /// The file, or - for standard input.
        file: PathBuf,
        /// What it is.
        #[arg(long, default_value = "application/octet-stream", value_name = "TYPE")]
        media_type: String,
    },
}

const VIEW: View = View { name: "/sha256", columns: &[], wide: &[] };

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Get { sha256, out } => {
            let bytes = client.artifacts().get(&sha256).await?;
            output::bytes(&bytes, out.as_deref())
        }
        Command::Put { file, media_type } => {
            let made = client.artifacts().put(read(&file)?, &media_type).await?;
            output.brief(&made, &VIEW, &made.sha256)
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match file == Path::new("-") {
        true => io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes),
        false => std::fs::read(file),
    };
    Ok(read.with_context(|| format!("could not read {}", file.display()))?)
}
