//! Automation with an `if` in it: the gate, the demo, the kill test, the measurements.
//!
//! `cargo xtask` (see `.cargo/config.toml`). It links none of the workspace's crates, so that it compiles in seconds;
//! it knows the programs by their command lines only.

mod bench;
mod cargo;
mod chance;
mod clock;
mod demo;
mod gate;
mod guard;
mod http;
mod kills;
mod postgres;
mod process;
mod scratch;
mod site;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Automation for this workspace"
)]
enum Cli {
    /// Run everything that must hold before a change is accepted.
    Test(gate::Options),
    /// Run vulnerability feeds through a server and a worker, and sum up.
    Demo(demo::Options),
    /// Run feeds while server, worker and database are killed; nothing may be lost or counted twice.
    Kills(kills::Options),
    /// Measure, on a PostgreSQL with synchronous commits that is started for it.
    Bench(bench::Options),
}

fn run(cli: &Cli) -> Result<bool> {
    match cli {
        Cli::Test(options) => gate::run(options),
        Cli::Demo(options) => demo::run(options),
        Cli::Kills(options) => kills::run(options),
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
