//! `orch-analysis check` and `demo`.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use orch_analysis::{
    advisory::Feed,
    analysis::analyse,
    check::{Terms, check},
    generate::{Generated, generate},
    policy::usual,
    sbom::SbomFile,
};

use super::{
    Size,
    place::{Place, PlaceArguments},
};

/// What to check.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// A folder of CycloneDX files; generated ones where absent.
    #[arg(long, requires = "feed")]
    sboms: Option<PathBuf>,
    /// The merged feed.
    #[arg(long, requires = "sboms")]
    feed: Option<PathBuf>,
    /// How many advisories that touch something are changed, one after another.
    #[arg(long, default_value_t = 3)]
    changes: usize,
    /// Writes what was seen there as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What to show.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    size: Size,
}

const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn run(arguments: CheckArguments) -> anyhow::Result<ExitCode> {
    let CheckArguments { place, sboms, feed, changes, json } = arguments;
    let (sboms, export) = match (sboms, feed) {
        (Some(sboms), Some(feed)) => (super::sboms(&sboms)?, super::read(&feed)?),
        _ => {
            let made = generate(&Size { seed: 1, count: 20, advisories: 100 }.plan());
            (made.sboms, made.export)
        }
    };
    let place = Place::open(&place).await?;
    let terms = Terms { changes, patience: PATIENCE };
    let checked = check(&place.client, &sboms, &export, &usual(), terms, |line| println!("{line}")).await?;
    println!("held; {} jobs", place.close().await?);
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&checked)?;
        fs::write(&file, text + "\n").with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn demo(arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    let Generated { sboms, export } = generate(&arguments.size.plan());
    let place = Place::open(&arguments.place).await?;
    let terms = Terms { changes: 3, patience: PATIENCE };
    check(&place.client, &sboms, &export, &usual(), terms, |line| println!("{line}")).await?;
    let jobs = place.close().await?;
    let feed = Feed::read(&export)?;
    for file in &sboms {
        println!("{}", summary(file, &feed)?);
    }
    println!("{jobs} jobs; each report was what one process comes to, byte for byte");
    Ok(ExitCode::SUCCESS)
}

fn summary(file: &SbomFile, feed: &Feed) -> anyhow::Result<String> {
    let report = analyse(file, feed, &usual())?;
    let counts: Vec<String> =
        report.counts.iter().map(|(verdict, count)| format!("{count} {}", verdict.name())).collect();
    Ok(format!("{:5}  {}  {}", report.verdict.name(), file.name, counts.join(", ")))
}
