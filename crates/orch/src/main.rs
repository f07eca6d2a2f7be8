//! The executable: `dev`, `serve`, `migrate`, and the operators' commands.

mod bootstrap;
mod dev;
mod migrate;
mod node;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// A control plane for ingestion and analysis jobs.
#[derive(Debug, Parser)]
#[command(name = "orch", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything in one process over a SQLite file.
    Dev(dev::DevArguments),
    /// Runs a node over PostgreSQL.
    Serve(serve::ServeArguments),
    /// Brings a database to this program's schema.
    Migrate(migrate::MigrateArguments),
    /// Prints the OpenAPI document.
    Openapi,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("ORCH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = match Arguments::parse().command {
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Openapi => {
            println!("{}", orch_server::openapi_json());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
