//! Does the checker find bugs? Each is planted in a server of its own build (`ORCH_PLANT`) and attacked for a moment.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use xtask::demo::write_json;

use crate::arena::{Plan, fight};
use crate::faults::{Fault, Share};
use crate::run::{Options, tell};
use crate::site::Form;

/// Planted bugs, by their names in the server, and the rules that may find each.
pub const PLANTS: [(&str, &[&str]); 9] = [
    ("none", &[]),
    ("key_freed_on_failure", &["one_job_per_key"]),
    ("attempt_not_compared", &["no_stale_fence", "one_current_lease", "results_counted_once"]),
    ("completion_twice", &["final_is_final", "one_current_lease", "results_counted_once", "no_stale_fence"]),
    ("answer_before_commit", &["acknowledged_is_kept", "answers_in_ledger", "no_stale_fence"]),
    ("snapshot_without_dependants", &["every_job_final"]),
    ("failed_parent_unblocks", &["dependencies_hold"]),
    ("lost_counts_as_try", &["tries_counted"]),
    ("pause_ignored", &["pauses_hold"]),
];

/// Attacks with one seed after the other until a bug is found.
const TRIES: u64 = 3;

/// Plants each bug in turn. True when each was found, and a server without one is clean.
///
/// # Errors
/// A run could not be run to its end.
pub fn run(options: &Options) -> Result<bool> {
    let (programs, seed) = (options.programs()?, options.seed());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let form = options.ledger.unwrap_or(Form::Sqlite);
    let faults = [Fault::KillServer, Fault::SlowDisk, Fault::KillServer, Fault::PauseServer, Fault::KillServer];
    let (mut all, mut rows) = (true, Vec::new());
    for (name, rules) in PLANTS {
        if !options.plant.is_empty() && !options.plant.iter().any(|wanted| wanted == name) {
            continue;
        }
        let mut found = Vec::new();
        let mut tries = 0;
        let wanted = name != "none";
        while tries < if wanted { TRIES } else { 1 } && found.is_empty() {
            let plan = Plan {
                programs: &programs,
                runtime: &runtime,
                feeds: None,
                wanted: None,
                plant: Some(name).filter(|_| wanted),
                drain: Duration::from_secs(20),
                keep: options.keep,
            };
            let report = fight(form, Share::default(), seed + tries, &plan, Some(&faults))?;
            found = report.verdict.by_rule.keys().filter(|rule| !wanted || rules.contains(rule)).copied().collect();
            if !wanted {
                tell(&report);
            } else if let Some(told) = report.verdict.violations.iter().find(|told| rules.contains(&told.rule)) {
                println!("  {}: {}", told.rule, told.what);
            } else {
                println!("  not found yet; reported were {:?}", report.verdict.by_rule);
            }
            tries += 1;
        }
        let right = found.is_empty() != wanted;
        all &= right;
        let word = if right { "as it should be" } else { "WRONG" };
        println!("{name}: {word}; found by {found:?} after {tries} runs");
        rows.push(json!({"plant": name, "right": right, "rules": found, "runs": tries}));
    }
    if let Some(file) = &options.json {
        write_json(file, &json!({"succeeded": all, "seed": seed, "ledger": form.name(), "plants": rows}))?;
    }
    Ok(all)
}
