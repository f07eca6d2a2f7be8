//! The command line: one module for each command that is more than a call.

use std::{net::Ipv4Addr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use orch_client::Client;
use orch_feeds::{
    generate::{Plan, generate},
    reading::read_folder,
    upstream::{Trouble, Upstream},
};
use serde::Serialize;
use tokio::net::TcpListener;

mod clock;
mod signal;
mod submit;
mod worker;

/// Ingests vulnerability feeds through the job orchestrator.
#[derive(Debug, Parser)]
#[command(name = "orch-feeds", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Works on the feeds' jobs until SIGTERM or Ctrl-C, then finishes what it has.
    Worker(worker::WorkerArguments),
    /// Starts a run, and waits for it if asked to.
    Submit(submit::SubmitArguments),
    /// Makes a small folder of feeds.
    Generate(GenerateArguments),
    /// Serves a folder of feeds over HTTP, with as much trouble as is asked for.
    Upstream(UpstreamArguments),
    /// Reads a folder of feeds in this process, without a server.
    Read(ReadArguments),
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
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Good RustSec and PyPA documents, KEV entries and twice the CSAF documents.
    #[arg(long, default_value_t = 50)]
    size: usize,
    /// Adds one bad document of each kind and two duplicates in each feed.
    #[arg(long)]
    bad: bool,
}

#[derive(Debug, Args)]
struct UpstreamArguments {
    /// The folder to serve.
    #[arg(long)]
    dir: PathBuf,
    /// The port on this machine; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Of a thousand requests, so many are answered 429 with Retry-After.
    #[arg(long, default_value_t = 0)]
    throttle: u32,
    /// Of a thousand requests, so many are answered 503.
    #[arg(long, default_value_t = 0)]
    unavailable: u32,
    /// Of a thousand requests, so many are answered late.
    #[arg(long, default_value_t = 0)]
    slow: u32,
    /// Of a thousand requests, so many are cut in the middle of the answer.
    #[arg(long, default_value_t = 0)]
    cut: u32,
    /// The seconds of Retry-After.
    #[arg(long, default_value_t = 1)]
    retry_after: u32,
    /// The milliseconds that a late answer takes.
    #[arg(long, default_value_t = 500)]
    slow_ms: u64,
    /// The seed of the plan.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
struct ReadArguments {
    /// The folder to read.
    #[arg(long)]
    dir: PathBuf,
    /// Where to write the export.
    #[arg(long)]
    out: Option<PathBuf>,
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
            Command::Generate(arguments) => generate_folder(&arguments),
            Command::Upstream(arguments) => serve_upstream(arguments).await,
            Command::Read(arguments) => read(&arguments),
        }
    }
}

impl Connection {
    fn client(&self) -> anyhow::Result<Client> {
        let mut builder = Client::builder();
        for address in &self.address {
            builder = builder.address(address);
        }
        builder.token(&self.token).build().context("could not make a client")
    }
}

fn generate_folder(arguments: &GenerateArguments) -> anyhow::Result<ExitCode> {
    let GenerateArguments { out, seed, size, bad } = arguments;
    let plan = Plan { seed: *seed, size: *size, bad: usize::from(*bad), duplicates: if *bad { 2 } else { 0 } };
    let expected = generate(out, &plan).with_context(|| format!("could not write to {}", out.display()))?;
    print_json(&expected)
}

fn read(arguments: &ReadArguments) -> anyhow::Result<ExitCode> {
    let reading = read_folder(&arguments.dir).with_context(|| format!("could not read {}", arguments.dir.display()))?;
    for error in &reading.errors {
        eprintln!("{}: {error}", error.code);
    }
    if let Some(out) = &arguments.out {
        std::fs::write(out, &reading.export.bytes).with_context(|| format!("could not write {}", out.display()))?;
    }
    print_json(&reading.summary)
}

async fn serve_upstream(arguments: UpstreamArguments) -> anyhow::Result<ExitCode> {
    let trouble = Trouble {
        seed: arguments.seed,
        throttled: arguments.throttle,
        unavailable: arguments.unavailable,
        slow: arguments.slow,
        cut: arguments.cut,
        retry_after_seconds: arguments.retry_after,
        slow_ms: arguments.slow_ms,
        ..Trouble::none()
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await.context("could not listen")?;
    println!("http://{}", listener.local_addr()?);
    let upstream = Upstream::new(arguments.dir, trouble);
    upstream.clone().serve(listener, signal::stop()).await?;
    for (fate, count) in upstream.fates() {
        eprintln!("{fate:?}: {count}");
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json<T: Serialize>(value: &T) -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(ExitCode::SUCCESS)
}
