//! `orch-analysis submit`: starts what has no run yet, says what ran and what was there, and gets the reports.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use orch_analysis::{
    advisory::Feed,
    jobs::{self, Reported},
    submit::{Submitted, ended, submit},
};

use super::Connection;

/// What to submit.
#[derive(Debug, Args)]
pub(super) struct SubmitArguments {
    #[command(flatten)]
    connection: Connection,
    /// A folder of CycloneDX files that end in `.json`.
    #[arg(long)]
    sboms: PathBuf,
    /// The merged feed: what `orch-feeds read --out` writes, or a `feeds.export` job keeps.
    #[arg(long)]
    feed: PathBuf,
    /// A JSON list of rules instead of the usual ones.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// Waits for all runs, those that were there too, and fails if one of them did.
    #[arg(long)]
    wait: bool,
    /// How long to wait for each.
    #[arg(long, default_value_t = 600)]
    timeout_seconds: u64,
    /// Writes the reports there.
    #[arg(long, requires = "wait")]
    out: Option<PathBuf>,
}

pub(super) async fn run(arguments: SubmitArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let files = super::sboms(&arguments.sboms)?;
    let feed = Feed::read(&super::read(&arguments.feed)?).context("could not read the feed")?;
    let rules = super::rules(arguments.policy.as_deref())?;
    jobs::declare(&client, &rules).await.context("could not declare the job types and the graph")?;
    let (mut submitted, mut refused) = (Vec::new(), 0_usize);
    for file in &files {
        match submit(&client, file, &feed).await {
            Ok(run) => {
                println!("{}", line(&run));
                submitted.push(run);
            }
            // One that is no SBOM keeps none of the others from running.
            Err(error) if file.read().is_err() => {
                eprintln!("refused  {error:#}");
                refused += 1;
            }
            Err(error) => return Err(error),
        }
    }
    let ran = submitted.iter().filter(|run| run.began).count();
    println!("{ran} ran, {} were there, {refused} refused", submitted.len() - ran);
    if let Some(out) = &arguments.out {
        fs::create_dir_all(out).with_context(|| format!("could not make {}", out.display()))?;
    }
    let mut good = refused == 0;
    for run in submitted.iter().filter(|_| arguments.wait) {
        let end = ended(&client, &run.run, Duration::from_secs(arguments.timeout_seconds)).await?;
        let Some((reported, bytes)) = end.report else {
            println!("{}  {}", end.state, run.name);
            good = false;
            continue;
        };
        println!("{}", verdict(&run.name, &reported));
        if let Some(out) = &arguments.out {
            let file = out.join(format!("{}.report.json", run.name.trim_end_matches(".json")));
            fs::write(&file, bytes).with_context(|| format!("could not write {}", file.display()))?;
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(run: &Submitted) -> String {
    let Submitted { name, components, advisories, run, began } = run;
    let word = if *began { "ran  " } else { "there" };
    format!("{word}  {run}  {components:5} components  {advisories:4} advisories  {name}")
}

fn verdict(name: &str, reported: &Reported) -> String {
    let counts: Vec<String> =
        reported.counts.iter().map(|(verdict, count)| format!("{count} {}", verdict.name())).collect();
    format!("{:5}  {}  {name}  {}", reported.verdict.name(), &reported.sha256[..12], counts.join(", "))
}
