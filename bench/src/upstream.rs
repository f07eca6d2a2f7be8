//! `upstream`: four tenants on two replicas share an upstream that counts for itself, as NVD does. While it works it must
//! never have to refuse, nothing of what it allows may be left unused, and the tenants get equal shares; then it refuses
//! all for a moment, tells one tenant to come again in a year, and is dead for a while.

mod crew;
mod figures;
mod history;
mod host;
mod outage;
mod phases;
mod row;
mod stage;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::document::{Document, Summary};
use crate::finding::Finding;
use crate::ground::Ground;
use crate::settings::Database;
use crate::upstream::phases::Lengths;

/// A phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Five requests in any second.
    Fast,
    /// Five requests in any 30 seconds, as NVD allows without a key.
    TrueScale,
    /// It refuses all for two seconds.
    Cut,
    /// It tells one tenant to come again in a year.
    Year,
    /// Nobody can connect to it for a while, and tenants have breakers.
    Dead,
}

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The phases; all when none is named.
    #[arg(value_enum)]
    phases: Vec<Phase>,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

/// What was chosen.
#[derive(Debug, Serialize)]
struct Chosen {
    phases: Vec<Phase>,
    ground: Ground,
}

/// Measures.
///
/// # Errors
/// Whatever keeps it from measuring, and a bar that is missed.
pub async fn run(options: Options) -> Result<Summary> {
    ensure!(options.ground.ledger != Some(Database::Sqlite), "replicas need PostgreSQL");
    let all = Phase::value_variants().to_vec();
    let phases = if options.phases.is_empty() { all } else { options.phases };
    let ground = options.ground;
    let mut document = Document::begin(Chosen { phases: phases.clone(), ground: ground.clone() });
    let lengths = Lengths::of(ground.quick);
    for phase in phases {
        let measured = Box::pin(phases::run(phase, &ground, &lengths)).await;
        let (commits, row) = measured.with_context(|| format!("phase {phase:?}"))?;
        let bars = row.bars.clone();
        document.add(commits, row, bars);
    }
    let summary = document.end(ground.json.as_deref())?;
    let missed: Vec<_> = summary.findings.iter().filter(|it| !it.met).map(missed).collect();
    ensure!(missed.is_empty(), "bars were missed: {}", missed.join("; "));
    Ok(summary)
}

fn missed(finding: &Finding) -> String {
    format!("{}: {}, {}", finding.what, finding.text(), finding.bar.text(finding.unit))
}
