//! `orch simulate`: what would happen.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use orch_client::{BackfillIn, Client, RunId, SimulateUntil, SimulatedOutcome, Simulation, SupposedWorkers};

use crate::backfill::{count, ends};
use crate::complete;
use crate::document::{self, Document};
use crate::failure::Failure;
use crate::moment::{length, ms, parse_duration};
use crate::output::{Output, View};

/// What is supposed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is declared: a file of YAML or JSON documents as `orch apply` takes them, a folder of such files, or - for
    /// standard input; may be repeated.
    #[arg(short = 'f', long = "file", value_name = "FILE|FOLDER|-", num_args = 1..)]
    files: Vec<PathBuf>,
    /// A backfill that is asked for: a file with one YAML or JSON document with the members of the call.
    #[arg(long, value_name = "FILE|-")]
    backfill: Option<PathBuf>,
    /// Workers that come in addition: how many, what each takes at the same time, and what they do, as
    /// 3x10:feeds.fetch,feeds.parse; may be repeated.
    #[arg(long, value_name = "COUNTxCAPACITY:TYPES", value_parser = parse_workers)]
    workers: Vec<SupposedWorkers>,
    /// Wait for the end of this run; else for the end of the backfill if there is one, else until nothing waits or is
    /// under way.
    #[arg(long, value_name = "RUN", add = complete::runs())]
    until: Option<RunId>,
    /// It ends then at the latest, such as 12h; 30 days when it is left out.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    horizon: Option<Duration>,
    /// How often it is tried; 20 times when it is left out.
    #[arg(long, value_name = "N")]
    samples: Option<u32>,
    /// Another number is other chance.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// What would happen, for programs.
const VIEW: View = View { name: "/now", columns: &[], wide: &[] };

/// Runs the command.
pub async fn run(args: Args, client: &Client, output: &Output) -> Result<(), Failure> {
    let documents = if args.files.is_empty() { Vec::new() } else { document::read(&args.files)? };
    let simulation = Simulation {
        declare: documents.into_iter().map(|document| document.value).collect(),
        backfill: args.backfill.as_ref().map(backfill).transpose()?,
        workers: args.workers,
        until: args.until.map(|run| SimulateUntil { run }),
        horizon_ms: args.horizon.map(ms),
        samples: args.samples,
        seed: args.seed,
    };
    let seen = client.simulate(&simulation).await?;
    let side = |name: &str, outcome: &SimulatedOutcome| {
        let mut lines = vec![format!("{name} it {}", ends(seen.now, &outcome.ends))];
        lines.extend(told(outcome).into_iter().map(|line| format!("  {line}")));
        lines
    };
    let lines = [side("with what is supposed,", &seen.with), side("as things are,", &seen.without)].concat();
    output.brief(&seen, &VIEW, &lines.join("\n"))
}

/// What would happen, in words.
fn told(outcome: &SimulatedOutcome) -> Vec<String> {
    let mut lines = vec![format!("{} would begin", count(outcome.attempts, "attempt"))];
    for (what, wait) in [("of backfills", outcome.waits.backfill), ("of others", outcome.waits.others)] {
        if wait.jobs > 0 {
            let (half, most) = (length(wait.p50_ms), length(wait.p95_ms));
            lines.push(format!(
                "{} {what} would wait {half}, nineteen of twenty at most {most}",
                count(wait.jobs, "job")
            ));
        }
    }
    lines.extend(
        outcome
            .held
            .iter()
            .take(5)
            .map(|held| format!("{} would wait on {} for {}", held.of, held.gate, length(held.ms))),
    );
    if !outcome.unknown.is_empty() {
        let types = outcome.unknown.join(", ");
        lines.push(format!("nothing of {types} has ended yet: how long it takes is a guess"));
    }
    if outcome.in_proportion {
        lines.push("not all of it was tried: the rest was taken to go on like what was".to_owned());
    }
    lines
}

/// The one backfill of a file.
fn backfill(file: &PathBuf) -> Result<BackfillIn, Failure> {
    let mut documents = document::read(std::slice::from_ref(file))?;
    let (Some(Document { origin, value }), true) = (documents.pop(), documents.is_empty()) else {
        return Err(Failure::refused("one backfill can be supposed", "give a file with one document"));
    };
    Ok(serde_json::from_value(value).with_context(|| format!("{origin} is no backfill"))?)
}

/// Workers as they are typed.
fn parse_workers(typed: &str) -> Result<SupposedWorkers, String> {
    let wrong = || "workers are COUNTxCAPACITY:TYPES, as 3x10:feeds.fetch,feeds.parse".to_owned();
    let (numbers, types) = typed.split_once(':').ok_or_else(wrong)?;
    let (count, capacity) = numbers.split_once('x').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(wrong);
    let job_types: Vec<String> = types.split(',').map(str::to_owned).collect();
    if job_types.iter().any(String::is_empty) {
        return Err(wrong());
    }
    Ok(SupposedWorkers { count: number(count)?, capacity: number(capacity)?, job_types })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_typed_in_one_word() {
        let three = parse_workers("3x10:feeds.fetch,feeds.parse").unwrap();
        assert_eq!((three.count, three.capacity), (3, 10));
        assert_eq!(three.job_types, ["feeds.fetch", "feeds.parse"]);
        for bad in ["3:feeds.fetch", "3x10", "3x10:", "0x1:t", "x1:t", "3x10:a,,b"] {
            assert!(parse_workers(bad).is_err(), "{bad}");
        }
    }
}
