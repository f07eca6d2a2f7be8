//! The command line of `cargo xtask`; everything else is in the library.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use xtask::{bench, chaos, demo, gate, kills, soak, upgrade};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Automation for this workspace")]
enum Cli {
    /// Run everything that must hold before a change is accepted.
    Test(gate::Options),
    /// Run vulnerability feeds through a server and a worker, and sum up.
    Demo(demo::Options),
    /// Run feeds while server, worker and database are killed; nothing may be lost or counted twice.
    Kills(kills::Options),
    /// Attack the promises on three ledgers with a dozen kinds of faults; a checker judges what is left.
    Chaos(chaos::Options),
    /// Go on with a ledger that an earlier commit's programs wrote.
    Upgrade(upgrade::Options),
    /// Load a server for a long time with a short retention: what is kept must not grow.
    Soak(soak::Options),
    /// Measure, on a PostgreSQL with synchronous commits that is started for it.
    Bench(bench::Options),
}

fn run(cli: &Cli) -> Result<bool> {
    match cli {
        Cli::Test(options) => gate::run(options),
        Cli::Demo(options) => demo::run(options),
        Cli::Kills(options) => kills::run(options),
        Cli::Chaos(options) => chaos::run(options),
        Cli::Upgrade(options) => upgrade::run(options),
        Cli::Soak(options) => soak::run(options),
        Cli::Bench(options) => bench::run(options),
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
