//! `cargo xtask upgrade`: a ledger that an earlier commit's programs wrote is served by those of this tree.
//!
//! The earlier server and worker are killed in the middle of their work; what they left open must be ended by the
//! later ones, nothing lost, nothing counted twice. That a newer ledger is refused is tested beside the ledgers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cargo::{Profile, build_in, root};
use crate::clock::pause;
use crate::demo::generate;
use crate::kills::{audit::audit, quiet, runs_wrong, tell, under_load};
use crate::process::capture;
use crate::scratch::Scratch;
use crate::site::{Ledger, Programs, Site};

/// How many jobs the worker handles at once.
const HANDLERS: u32 = 16;
/// How long the earlier programs work, and at least the later ones.
const SPELL: Duration = Duration::from_secs(6);

/// What the caller asked for.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The earlier commit.
    #[arg(long, default_value = "HEAD~1")]
    from: String,
    /// Run programs of the dev profile.
    #[arg(long)]
    dev_profile: bool,
}

/// Runs it on both ledgers. True when every promise held.
pub fn run(options: &Options) -> Result<bool> {
    let profile = Profile::chosen(None, options.dev_profile);
    let scratch = Scratch::new("orch-upgrade", false)?;
    let place = |name: &str| -> Result<_> {
        let folder = scratch.path().join(name);
        std::fs::create_dir(&folder)?;
        Ok(folder)
    };
    let earlier = earlier_programs(options, &profile, &place("tree")?)?.copied(&place("earlier")?)?;
    println!("building orch and orch-feeds of this tree");
    let later = Programs::build(&profile)?.copied(&place("later")?)?;
    let feeds = place("feeds")?;
    generate(&later, &feeds, 200)?;
    let wanted = quiet(Site::open(&later, &Ledger::Sqlite, HANDLERS, false)?, &later, &feeds, scratch.path())?;

    let mut findings = Vec::new();
    for ledger in [Ledger::Sqlite, Ledger::OwnPostgres] {
        let mut site = Site::open(&earlier, &ledger, HANDLERS, false)?;
        let outcome = under_load(&mut site, &earlier, &feeds, |site| {
            pause(SPELL);
            site.replace_programs(&later)?;
            pause(SPELL);
            Ok(())
        })?;
        let found = audit(site.access(), &outcome.probes)?;
        println!(
            "{}: {}; {} runs of the feeds in {:.0} s",
            ledger.name(),
            found.text,
            outcome.runs.len(),
            outcome.seconds
        );
        let mut here = runs_wrong(&outcome.runs, &wanted);
        here.extend(found.findings);
        here.extend(site.casualties());
        site.close()?;
        findings.extend(here.into_iter().map(|finding| format!("{}: {finding}", ledger.name())));
    }
    Ok(tell(&findings))
}

/// The programs of the earlier commit, built from a worktree that is gone again afterwards.
fn earlier_programs(options: &Options, profile: &Profile, tree: &Path) -> Result<Programs> {
    let git = |arguments: &[&str]| capture(Command::new("git").current_dir(root()).args(arguments));
    let commit = git(&["rev-parse", "--verify", &format!("{}^{{commit}}", options.from)])?;
    let commit = commit.trim();
    println!("building orch and orch-feeds of {commit}");
    let place = tree.to_str().context("the temporary folder's name is not UTF-8")?;
    git(&["worktree", "add", "--detach", "--force", place, commit])?;
    let built = build_in(tree, profile, &["orch", "orch-feeds"], &[]);
    git(&["worktree", "remove", "--force", place])?;
    Programs::of(&built?)
}
