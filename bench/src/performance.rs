//! `report`: everything that has a bar, one command after the other, and the page that says what was met.
//!
//! The text about what misses its bar is written by hand, in a file for each row: `bench/misses/<row>.md`.

mod page;
mod peers;
mod plan;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser as _};
use jiff::Timestamp;
use orch_bench::machine::Machine;
use serde::Serialize;

use crate::document::{self, Summary};
use crate::ground::Ground;
use crate::performance::page::Page;
use crate::performance::peers::Peers;
use crate::performance::plan::Size;
use crate::program::Program;

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The whole table at its full size; so it is without `--quick`.
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// A few seconds for each row: shows that the commands work, and nothing else. Needs `--page`.
    #[arg(long, conflicts_with_all = ["quick", "full"], requires = "page")]
    smoke: bool,
    /// What `peers --json` wrote.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// The page to write, instead of `docs/reference/performance.md`.
    #[arg(long)]
    page: Option<PathBuf>,
    /// The root of the tree.
    #[arg(long, env = "ORCH_BENCH_TREE", default_value = ".")]
    tree: PathBuf,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Performance {
    /// The program's version.
    pub version: &'static str,
    /// When it began.
    pub date: String,
    /// What it ran on.
    pub machine: Machine,
    /// The command.
    pub command: String,
    /// What came out of each command.
    pub parts: Vec<Part>,
    /// Others on the same work.
    pub peers: Option<Peers>,
}

/// What came out of one command.
#[derive(Debug, Serialize)]
pub struct Part {
    /// The command.
    pub command: String,
    /// Its figures.
    pub summary: Summary,
    /// Why there are none.
    pub failure: Option<String>,
}

/// Measures everything and writes the page.
pub async fn run(options: Options) -> Result<Summary> {
    let size = match (options.smoke, options.ground.quick) {
        (true, _) => Size::Smoke,
        (false, true) => Size::Quick,
        (false, false) => Size::Full,
    };
    let peers = options.peers.as_deref().map(Peers::read).transpose()?;
    let mut performance = Performance {
        version: env!("CARGO_PKG_VERSION"),
        date: Timestamp::now().strftime("%Y-%m-%d").to_string(),
        machine: Machine::here(),
        command: format!("cargo xtask bench report {}", size.option()),
        parts: Vec::new(),
        peers,
    };
    let mut all = Summary::default();
    for command in plan::commands(size, options.ground.ledger) {
        println!("\n## {command}\n");
        let part = part(command, &options.ground).await;
        if let Some(failure) = &part.failure {
            eprintln!("error: {failure}");
        }
        all.take(&part.summary);
        performance.parts.push(part);
    }
    all.findings.extend(performance.ahead_of_peers());
    let page = options.page.unwrap_or_else(|| options.tree.join("docs/reference/performance.md"));
    let misses = options.tree.join("bench/misses");
    std::fs::write(&page, Page { performance: &performance, summary: &all, misses: &misses }.text())?;
    println!("\nwritten: {}", page.display());
    if let Some(path) = &options.ground.json {
        document::write(path, &performance)?;
    }
    Ok(all)
}

/// Runs one command on the same ground. One that fails does not end the others.
async fn part(command: String, ground: &Ground) -> Part {
    let program = Program::try_parse_from(command.split(' ')).map_err(anyhow::Error::from);
    let measured = match program {
        Ok(program) => program.on(ground).run().await,
        Err(error) => Err(error),
    };
    let (summary, failure) = match measured {
        Ok(summary) => (summary, None),
        Err(error) => (Summary::default(), Some(format!("{error:#}"))),
    };
    let command = command.replacen(plan::NAME, "cargo xtask bench", 1);
    Part { command, summary, failure }
}
