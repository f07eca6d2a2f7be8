//! The command line of `orch-chaos`; `cargo xtask chaos` builds the programs and calls it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use orch_chaos::checker::judge;
use orch_chaos::checker::ledger::{read_postgres, read_sqlite};
use orch_chaos::{plants, record, run};

#[derive(Debug, Parser)]
#[command(name = "orch-chaos", about = "Attacks the orchestrator's promises and judges what is left")]
enum Cli {
    /// Attack, on all ledgers or one.
    Run(run::Options),
    /// Show that the checker finds planted server bugs.
    Plants(run::Options),
    /// Judge a call log and a ledger that lie there already.
    Check {
        /// The call log.
        #[arg(long)]
        calls: PathBuf,
        /// The SQLite file.
        #[arg(long, required_unless_present = "database")]
        sqlite: Option<PathBuf>,
        /// The PostgreSQL database.
        #[arg(long, value_name = "URL")]
        database: Option<String>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse() {
        Cli::Run(options) => run::run(&options),
        Cli::Plants(options) => plants::run(&options),
        Cli::Check { calls, sqlite, database } => check(&calls, sqlite.as_deref(), database.as_deref()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(calls: &std::path::Path, sqlite: Option<&std::path::Path>, database: Option<&str>) -> Result<bool> {
    let ledger = match (sqlite, database) {
        (Some(file), _) => read_sqlite(file)?,
        (None, url) => tokio::runtime::Runtime::new()?.block_on(read_postgres(url.unwrap_or_default()))?,
    };
    let verdict = judge(&record::read(calls)?, &ledger);
    println!("{}", serde_json::to_string_pretty(&verdict)?);
    Ok(verdict.by_rule.is_empty())
}
