//! `orch man`: a manual page for every command.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::Cli;
use crate::failure::Failure;

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the pages; made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the pages.
pub fn run(args: &Args) -> Result<(), Failure> {
    let folder = &args.out;
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    Ok(written.with_context(|| format!("could not write the manual to {}", folder.display()))?)
}
