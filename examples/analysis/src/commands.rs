//! The command line: one module for each command that is more than a call.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use orch_analysis::{
    generate::{self, Plan},
    policy::{Rule, usual},
    sbom::SbomFile,
};
use orch_client::Client;

mod check;
mod place;
mod sbom;
mod signal;
mod submit;
mod worker;

/// Matches SBOMs with a merged feed of advisories through the job orchestrator.
#[derive(Debug, Parser)]
#[command(name = "orch-analysis", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Works on the analysis' jobs until SIGTERM or Ctrl-C, then finishes what it has.
    Worker(worker::WorkerArguments),
    /// Starts a run for each SBOM that has none yet with these advisories.
    Submit(submit::SubmitArguments),
    /// Makes SBOMs of the lock files below a folder, with the public tools that are there.
    Sbom(sbom::SbomArguments),
    /// Makes small SBOMs and a small feed.
    Generate(GenerateArguments),
    /// Shows that a changed advisory runs exactly the SBOMs again that it touches.
    Check(check::CheckArguments),
    /// The same on generated data, on a server that it starts.
    Demo(check::DemoArguments),
}

/// How to reach the orchestrator.
#[derive(Debug, Args)]
struct Connection {
    /// The orchestrator's address; several are tried in turn.
    #[arg(long, env = "ORCH_ADDRESS", value_delimiter = ',', required = true)]
    address: Vec<String>,
    /// The token of a tenant.
    #[arg(long, env = "ORCH_TOKEN", hide_env_values = true)]
    token: String,
}

#[derive(Debug, Args)]
struct GenerateArguments {
    /// The folder to write to.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    size: Size,
}

/// What to generate.
#[derive(Clone, Copy, Debug, Args)]
struct Size {
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many SBOMs.
    #[arg(long, default_value_t = 20)]
    count: usize,
    /// How many advisories.
    #[arg(long, default_value_t = 100)]
    advisories: usize,
}

impl Size {
    fn plan(self) -> Plan {
        Plan { seed: self.seed, sboms: self.count, packages: 60, advisories: self.advisories }
    }
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever keeps it from doing what was asked.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Worker(arguments) => worker::run(arguments).await,
            Command::Submit(arguments) => submit::run(arguments).await,
            Command::Sbom(arguments) => sbom::run(&arguments),
            Command::Generate(arguments) => generate_folder(&arguments),
            Command::Check(arguments) => check::run(arguments).await,
            Command::Demo(arguments) => check::demo(arguments).await,
        }
    }
}

impl Connection {
    fn client(&self) -> anyhow::Result<Client> {
        client(&self.address, &self.token)
    }
}

fn client(addresses: &[String], token: &str) -> anyhow::Result<Client> {
    let builder = addresses.iter().fold(Client::builder(), orch_client::ClientBuilder::address);
    builder.token(token).build().context("could not make a client")
}

fn generate_folder(arguments: &GenerateArguments) -> anyhow::Result<ExitCode> {
    let out = &arguments.out;
    let made = generate::write(out, &arguments.size.plan());
    let made = made.with_context(|| format!("could not write to {}", out.display()))?;
    println!(
        "{} SBOMs in {}, feed in {}",
        made.sboms.len(),
        out.join("sboms").display(),
        out.join("feed.jsonl").display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The SBOMs of a folder; none is an error.
fn sboms(dir: &Path) -> anyhow::Result<Vec<SbomFile>> {
    let files = SbomFile::in_folder(dir).with_context(|| format!("could not read {}", dir.display()))?;
    ensure!(!files.is_empty(), "there is no .json file in {}", dir.display());
    Ok(files)
}

/// The rules of a file, or the usual ones.
fn rules(file: Option<&Path>) -> anyhow::Result<Vec<Rule>> {
    let Some(file) = file else { return Ok(usual()) };
    let text = fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no list of rules", file.display()))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("could not read {}", file.display()))
}
