//! `failover`: three replicas on one database. In `kills` one of them is killed under load, again and again: how long
//! its shards wait for their next grant, and that no job is lost or ends twice. In `cpu` the same jobs are done by one
//! replica and by three, in turn: A B A B.

mod cpu;
mod crew;
mod kills;
mod notes;
mod probe;
mod row;
mod verdict;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::bar;
use crate::cluster::Form;
use crate::document::{Document, Summary};
use crate::failover::kills::Kills;
use crate::failover::row::{KillRow, Row};
use crate::failover::verdict::Verdict;
use crate::figures::Ratio;
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::place::{Commits, Place};
use crate::settings::{Crew, Database, Face, Settings};

/// Replicas that share the ledger out.
const REPLICAS: usize = 3;
/// Shards of the ledger: two for each of them.
const SHARDS: u16 = 6;
/// Tenants on each shard.
const TENANTS_PER_SHARD: usize = 2;
/// Leases that must be open on the shards of the replica that is killed.
const LEASES_MIN: u64 = 1_000;

/// The cluster with so many replicas.
const fn form(replicas: usize) -> Form {
    Form { replicas, shards: SHARDS, tenants_per_shard: TENANTS_PER_SHARD }
}

/// Kills, pairs of runs, and jobs of a run.
struct Lengths {
    kills: usize,
    pairs: usize,
    jobs: usize,
}

const QUICK: Lengths = Lengths { kills: 3, pairs: 2, jobs: 500_000 };
const FULL: Lengths = Lengths { kills: 10, pairs: 5, jobs: 2_000_000 };

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// Replicas are killed.
    Kills,
    /// Three replicas beside one.
    Cpu,
}

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What is shown; both when nothing is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Kills: 10, or 3 with `--quick`.
    #[arg(long)]
    kills: Option<usize>,
    /// Leases that workers hold at a kill, at least 3,000: a third of them is on the replica that is killed.
    #[arg(long, default_value_t = 3_600)]
    leases: usize,
    /// Pairs of a run with one replica and one with three: 5, or 2 with `--quick`.
    #[arg(long)]
    pairs: Option<usize>,
    /// Jobs of such a run: 2,000,000, or 500,000 with `--quick`.
    #[arg(long)]
    jobs: Option<usize>,
    #[command(flatten)]
    crew: Crew,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

impl Options {
    fn lengths(&self) -> Lengths {
        let usual = if self.ground.quick { QUICK } else { FULL };
        Lengths {
            kills: self.kills.unwrap_or(usual.kills),
            pairs: self.pairs.unwrap_or(usual.pairs),
            jobs: self.jobs.unwrap_or(usual.jobs),
        }
    }

    /// As many workers at each replica, unless their number was given.
    fn settings(&self) -> Settings {
        let crew = Crew { workers: self.crew.workers.or(Some(2 * REPLICAS)), ..self.crew.clone() };
        Settings::new(Face::Http, crew, Ground { ledger: Some(Database::Postgres), ..self.ground.clone() })
    }
}

/// Measures.
///
/// # Errors
/// Whatever keeps it from measuring, and jobs that were lost or ended twice.
pub async fn run(options: Options) -> Result<Summary> {
    ensure!(options.ground.ledger != Some(Database::Sqlite), "replicas need PostgreSQL");
    ensure!(options.leases as u64 >= LEASES_MIN * REPLICAS as u64, "fewer leases than a kill must meet");
    let all = [Part::Kills, Part::Cpu];
    let parts = if options.parts.is_empty() { all.to_vec() } else { options.parts.clone() };
    let (lengths, settings) = (options.lengths(), options.settings());
    let mut document = Document::begin(settings.clone());
    let mut verdict = None;
    if parts.contains(&Part::Kills) {
        verdict = Some(kill(&mut document, &options, lengths.kills).await?);
    }
    if parts.contains(&Part::Cpu) {
        compare(&mut document, &settings, &lengths).await?;
    }
    let summary = document.end(options.ground.json.as_deref())?;
    verdict.map_or(Ok(()), |verdict: Verdict| verdict.stand())?;
    Ok(summary)
}

/// Kills replicas, and judges what is left.
async fn kill(document: &mut Document<Settings, Row>, options: &Options, kills: usize) -> Result<Verdict> {
    let (place, commits) = place(&options.ground).await?;
    let mut run = Kills::open(&place, &options.ground.orch, options.leases).await?;
    let mut rows = Vec::new();
    for number in 1..=kills {
        let row = run.round(&place, number).await.with_context(|| format!("kill {number}"))?;
        document.add(commits.clone(), Row::Kill(row.clone()), Vec::new());
        rows.push(row);
    }
    let verdict = run.end(&place).await?;
    document.add(commits, Row::End(verdict.clone()), Vec::new());
    document.findings.extend(findings(&rows, &verdict));
    place.remove().await?;
    Ok(verdict)
}

fn findings(rows: &[KillRow], verdict: &Verdict) -> Vec<Finding> {
    let kills = rows.len();
    let leases = rows.iter().map(|row| row.leases_there).min().unwrap_or_default();
    let slowest = rows.iter().filter_map(KillRow::slowest).max_by(f64::total_cmp);
    let grant = slowest.map(|seconds| {
        let what =
            format!("first grant on a shard after kill -9 of its replica with {leases} leases, slowest of {kills}");
        Finding::new(Subject::Failover, what, (seconds, "s"), Bar::AtMost(bar::FIRST_GRANT_SECONDS))
    });
    let harmed = [("lost", verdict.lost), ("doubled", verdict.doubled)].map(|(how, jobs)| {
        let what = format!("{how} in {kills} kills, of {} jobs", verdict.acknowledged);
        Finding::new(Subject::Failover, what, (jobs as f64, "jobs"), Bar::AtMost(bar::JOBS_HARMED))
    });
    grant.into_iter().chain(harmed).collect()
}

/// Measures one replica and three, in turn.
async fn compare(document: &mut Document<Settings, Row>, settings: &Settings, lengths: &Lengths) -> Result<()> {
    let mut figures = [Vec::new(), Vec::new()];
    for pair in 1..=lengths.pairs {
        for (series, replicas) in [1, REPLICAS].into_iter().enumerate() {
            let measured = cpu::run(settings, replicas, lengths.jobs, pair).await;
            let (commits, row) = measured.with_context(|| format!("{replicas} replicas, pair {pair}"))?;
            figures[series].push(row.cpu_ms_per_1000_jobs);
            document.add(commits, Row::Cpu(row), Vec::new());
        }
    }
    let [one, three] = &figures;
    document.findings.extend(Ratio::of(three, one).map(|Ratio { of_medians, min, max }| {
        let what = format!("CPU a job with {REPLICAS} replicas ÷ with one ({min:.2}–{max:.2}), {SHARDS} shards");
        Finding::new(Subject::Failover, what, (of_medians, "×"), Bar::AtMost(bar::REPLICAS_CPU_RATIO))
    }));
    Ok(())
}

/// A database of its own.
async fn place(ground: &Ground) -> Result<(Place, Commits)> {
    let mut place = Place::make(Database::Postgres, ground).await?;
    // What an earlier measurement left dirty is not to be written during this one.
    place.checkpoint().await?;
    let commits = place.commits().await?;
    Ok((place, commits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_grant_and_every_harmed_job_count() {
        let row = |grants: &[f64]| KillRow::sample(grants);
        let verdict = Verdict { acknowledged: 10, lost: 0, doubled: 1, ..Verdict::default() };
        let findings = findings(&[row(&[4.0, 6.5]), row(&[5.0])], &verdict);
        let found: Vec<_> = findings.iter().map(|finding| (finding.figure, finding.met)).collect();
        assert_eq!(found, [(6.5, false), (0.0, true), (1.0, false)]);
    }
}
