//! The executable: `dev` and `serve` run the server, everything else talks to one over `orch-client`.
//!
//! Commands lie in one file a noun; how they fail is in `failure`, what they exit with in `exit`, how they print in `output`.

mod access;
mod api;
mod apply;
mod artifact;
mod backfill;
mod blackout;
mod bootstrap;
mod breaker;
mod bucket;
mod complete;
mod config;
mod connection;
mod consent;
mod context;
mod dead_letter;
mod dev;
mod document;
mod exit;
mod explain;
mod failure;
mod graph;
mod health;
mod input;
mod job;
mod job_type;
mod lane;
mod logging;
mod man;
mod migrate;
mod moment;
mod node;
mod openapi;
mod output;
mod pause;
#[cfg(feature = "chaos-mutants")]
mod plant;
mod priority;
mod private_file;
mod progress;
mod project;
mod quota;
mod rehearsal;
mod replica;
mod report;
mod run;
mod schedule;
mod secret;
mod serve;
mod settings;
mod shard;
mod simulate;
mod source;
mod tenant;
mod throttle;
mod token;
mod toml_error;
mod watermark;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use connection::Connection;
use exit::Exit;
use failure::Failure;
use output::Output;
use report::Report;

/// The server's commands are many small things of one life: with the system's allocator a sixth of its time went there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Source & Job Orchestrator.
#[derive(Debug, Parser)]
#[command(name = "orch", version, arg_required_else_help = true, max_term_width = 100, after_help = exit::help())]
struct Cli {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve from one folder, with no set-up: ledger, tenant and token are made at the first start.
    Dev(dev::Args),
    /// Serve from a PostgreSQL that `orch migrate` has prepared.
    Serve(serve::Args),
    /// Bring a PostgreSQL to this version's schema.
    Migrate(migrate::Args),
    /// Jobs: submit, submit-batch, list, show, wait, logs, history, attempts, cancel, retry, replay,
    /// summary.
    #[command(subcommand)]
    Job(job::Command),
    /// Job types: list, show, workers, put, catalogue, declare.
    #[command(subcommand)]
    JobType(job_type::Command),
    /// Sources: list, show, put.
    #[command(subcommand)]
    Source(source::Command),
    /// Projects: list, show, put.
    #[command(subcommand)]
    Project(project::Command),
    /// What hosts allow.
    #[command(subcommand)]
    Bucket(bucket::Command),
    /// How much of the tenant's work may be under way, begin in an hour, or wait.
    #[command(subcommand)]
    Quota(quota::Command),
    /// What stops handing out when too many attempts fail.
    #[command(subcommand)]
    Breaker(breaker::Command),
    /// Windows of time in which work is held back.
    #[command(subcommand)]
    Blackout(blackout::Command),
    /// What asks for jobs and runs in time.
    #[command(subcommand)]
    Schedule(Box<schedule::Command>),
    /// Graphs, templates of steps that depend on each other: list, get, show, plan, validate, apply, delete.
    #[command(subcommand)]
    Graph(graph::Command),
    /// Runs of graphs: start, list, get, show, timeline, wait, cancel, pause, resume, rerun, approve, reject.
    #[command(subcommand)]
    Run(run::Command),
    /// Backfills, which read a stretch of event time again: preview, create, list, show, windows, pause, resume, cancel,
    /// rerun.
    #[command(subcommand)]
    Backfill(backfill::Command),
    /// Say what would happen: with other limits, more workers, or a backfill. Nothing of it is done.
    Simulate(simulate::Args),
    /// Declare what files say.
    ///
    /// What is missing is made, what differs gets a new version, and what is not in the files stays as it is.
    /// With --dry-run the server checks and compares, and nothing is written.
    Apply(apply::Args),
    /// Dead letters: list, show, replay, discard.
    #[command(subcommand)]
    DeadLetter(dead_letter::Command),
    /// Stop handing out work: of the tenant, a source, a job type or a lane; or list what is stopped.
    #[command(subcommand)]
    Pause(pause::Pause),
    /// Hand out work again.
    #[command(subcommand)]
    Resume(pause::Resume),
    /// Limits that hold for a while: of the tenant, a source, a job type, a quota or a lane.
    #[command(subcommand)]
    Throttle(throttle::Command),
    /// Priorities of targets for a while.
    #[command(subcommand)]
    Priority(priority::Command),
    /// Watermarks, which say how far sources have been read: list, show, set.
    #[command(subcommand)]
    Watermark(watermark::Command),
    /// Worker sessions: list, drain.
    #[command(subcommand)]
    Worker(worker::Command),
    /// Lanes: what jobs wait in, and what holds them.
    #[command(subcommand)]
    Lane(lane::Command),
    /// Why a job, a lane, a host or a tenant waits.
    #[command(subcommand)]
    Explain(explain::Command),
    /// Artifacts: get, put.
    #[command(subcommand)]
    Artifact(artifact::Command),
    /// Tenants: create, list, show, set, delete, restore, export.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// API tokens: create, list, show, revoke.
    #[command(subcommand)]
    Token(token::Command),
    /// Nodes, the processes that serve the ledger: list, drain, undrain.
    #[command(subcommand)]
    Node(node::Command),
    /// Shards, which tenants live on: list, move, drain.
    #[command(subcommand)]
    Shard(shard::Command),
    /// Contexts, which say where servers are and who we are to them; and the settings of a server.
    #[command(subcommand)]
    Config(config::Command),
    /// Whether the server serves.
    Health,
    /// Send any call of the API; prints the body of the answer as it came.
    Api(api::Args),
    /// Print the API's OpenAPI document.
    Openapi,
    /// Print a script that makes a shell complete commands, and the ids and names that the server knows.
    Completions {
        /// The shell.
        shell: complete::Shell,
    },
    /// Write a manual page for every command.
    Man(man::Args),
}

impl Cli {
    /// What was typed.
    fn read() -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches()?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.connection.note_typed(&matches);
        Ok(cli)
    }
}

impl Command {
    /// The name of a command that changes something else than what a server keeps.
    fn without_server(&self) -> Option<&'static str> {
        match self {
            Self::Dev(_) => Some("dev"),
            Self::Serve(_) => Some("serve"),
            Self::Migrate(_) => Some("migrate"),
            Self::Config(_) => Some("config"),
            Self::Man(_) => Some("man"),
            _ => None,
        }
    }
}

fn main() -> ExitCode {
    complete::answer();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    #[cfg(feature = "chaos-mutants")]
    runtime.on_thread_start(plant::in_this_thread);
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(start()),
        Err(error) => {
            eprintln!("error: could not start: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    if !matches!(cli.command, Command::Dev(_) | Command::Serve(_)) {
        logging::start();
    }
    let json = cli.output.is_json();
    match run(cli).await {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            failure.report().iter().for_each(|report| report.print(json));
            failure.exit().into()
        }
    }
}

/// What clap has to say; 2 means something else here, so a wrong command line is an ordinary error.
fn usage(error: &clap::Error) -> Exit {
    let wrong = error.use_stderr();
    if wrong && Output::wants_json(std::env::args()) {
        let text = error.render().to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Report::new(Exit::Error, what).hint("--help says what is understood").print(true);
    } else {
        // Nobody is left to be told that the terminal is gone.
        let _ = error.print();
    }
    if wrong { Exit::Error } else { Exit::Done }
}

/// Runs a command; a write that a rehearsal ends in is printed, and no failure.
async fn run(cli: Cli) -> Result<(), Failure> {
    let (connection, output) = (&cli.connection, &cli.output);
    match run_command(cli.command, connection, output).await {
        Err(Failure::Client(orch_client::Error::Rehearsed(rehearsal))) => rehearsal::print(&rehearsal, output),
        ended => ended,
    }
}

async fn run_command(command: Command, connection: &Connection, output: &Output) -> Result<(), Failure> {
    if let Some(name) = command.without_server() {
        connection.refuse_dry_run(name)?;
    }
    match command {
        Command::Dev(args) => dev::run(&args, output).await,
        Command::Serve(args) => serve::run(&args, output).await,
        Command::Migrate(args) => migrate::run(&args, output).await,
        Command::Openapi => openapi::run(),
        Command::Completions { shell } => complete::print(shell),
        Command::Man(args) => man::run(&args),
        Command::Config(command) => config::run(command, connection, output),
        Command::Health => health::run(&connection.anonymous()?, output).await,
        Command::Job(command) => job::run(command, &connection.client()?, output).await,
        Command::JobType(command) => job_type::run(command, &connection.client()?, output).await,
        Command::Project(command) => project::run(command, &connection.client()?, output).await,
        Command::Breaker(command) => breaker::run(command, &connection.client()?, output).await,
        Command::Blackout(command) => blackout::run(command, &connection.client()?, output).await,
        Command::Schedule(command) => schedule::run(*command, &connection.client()?, output).await,
        Command::Graph(command) => graph::run(command, &connection.client()?, output).await,
        Command::Run(command) => run::run(command, &connection.client()?, output).await,
        Command::Backfill(command) => backfill::run(command, &connection.client()?, output).await,
        Command::Simulate(args) => simulate::run(args, &connection.client()?, output).await,
        Command::Bucket(command) => bucket::run(command, &connection.client()?, output).await,
        Command::Quota(command) => quota::run(command, &connection.client()?, output).await,
        Command::Apply(args) => apply::run(&args, &connection.client()?, output).await,
        Command::Artifact(command) => artifact::run(command, &connection.client()?, output).await,
        Command::Api(args) => api::run(args, &connection.client()?, output).await,
        Command::Source(command) => source::run(command, &connection.client()?, output).await,
        Command::DeadLetter(command) => dead_letter::run(command, &connection.client()?, output).await,
        Command::Pause(command) => pause::pause(command, &connection.client()?, output).await,
        Command::Resume(command) => pause::resume(command, &connection.client()?).await,
        Command::Priority(command) => priority::run(command, &connection.client()?, output).await,
        Command::Throttle(command) => throttle::run(command, &connection.client()?, output).await,
        Command::Watermark(command) => watermark::run(command, &connection.client()?, output).await,
        Command::Worker(command) => worker::run(command, &connection.client()?, output).await,
        Command::Lane(command) => lane::run(command, &connection.client()?, output).await,
        Command::Explain(command) => explain::run(command, &connection.client()?, output).await,
        Command::Tenant(command) => tenant::run(command, &connection.client()?, output).await,
        Command::Token(command) => token::run(command, &connection.client()?, output).await,
        Command::Node(command) => node::run(command, &connection.client()?, output).await,
        Command::Shard(command) => shard::run(command, &connection.client()?, output).await,
    }
}
