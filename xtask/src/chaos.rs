//! `cargo xtask chaos`: builds the programs and hands over to `orch-chaos`, which attacks them.
//!
//! `--plants` asks the other question: does the checker find server bugs that are planted on purpose?

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo::{Profile, build, build_with, copied};
use crate::scratch::Scratch;

/// What the caller asked for; `orch-chaos` says what the values mean.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Kills of server, worker and PostgreSQL, counted over all ledgers.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(3..=1_000))]
    kills: u32,
    /// Only this ledger instead of all three in turn: sqlite, postgres, postgres-two.
    #[arg(long, value_name = "LEDGER")]
    ledger: Option<String>,
    /// Repeats the faults, their order and their pauses.
    #[arg(long)]
    seed: Option<u64>,
    /// A run that takes longer fails.
    #[arg(long, default_value_t = 20)]
    minutes: u32,
    /// Write what was found here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run programs of the dev profile.
    #[arg(long)]
    dev_profile: bool,
    /// Leave the temporary folders: logs, call logs, SQLite ledgers.
    #[arg(long)]
    keep: bool,
    /// Plant bugs in the server, one at a time; the checker must find each.
    #[arg(long)]
    plants: bool,
    /// With --plants: only these, by name.
    #[arg(long, value_delimiter = ',', requires = "plants")]
    plant: Vec<String>,
}

/// Runs it. True when every promise held (or, with `--plants`, every planted bug was found).
pub fn run(options: &Options) -> Result<bool> {
    let profile = if options.dev_profile { Profile::Dev } else { Profile::Release };
    let scratch = Scratch::new("orch-chaos-programs", false)?;
    println!("building orch, orch-feeds and orch-chaos");
    // Copies: servers are started again and again, and a build in between must not change them.
    let keep = |from: &Path, name: &str| copied(from, scratch.path(), name);
    let planted = if options.plants {
        let built = build_with(&profile, &["orch"], &["orch/chaos-mutants"])?;
        Some(keep(built.first().context("orch was built")?, "orch-planted")?)
    } else {
        None
    };
    let built = build(&profile, &["orch", "orch-feeds", "orch-chaos"])?;
    let [orch, feeds, chaos] = built.as_slice() else { bail!("three programs were to be built") };
    let (orch, feeds) = (keep(orch, "orch")?, keep(feeds, "orch-feeds")?);
    keep(&chaos.with_file_name("orch-chaos-worker"), "orch-chaos-worker")?;
    let mut command = Command::new(keep(chaos, "orch-chaos")?);
    match &planted {
        None => command.arg("run").arg("--orch").arg(orch),
        Some(planted) => command.arg("plants").arg("--orch").arg(planted),
    };
    command.arg("--feeds").arg(feeds);
    command.args(["--kills", &options.kills.to_string(), "--minutes", &options.minutes.to_string()]);
    for (name, value) in [("--ledger", &options.ledger), ("--seed", &options.seed.map(|seed| seed.to_string()))] {
        if let Some(value) = value {
            command.args([name, value]);
        }
    }
    for plant in &options.plant {
        command.args(["--plant", plant]);
    }
    if let Some(file) = &options.json {
        command.arg("--json").arg(file);
    }
    if options.keep {
        command.arg("--keep");
    }
    Ok(command.status().context("could not run orch-chaos")?.success())
}
