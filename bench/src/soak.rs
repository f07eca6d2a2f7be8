//! `soak`: a server under a steady load with a short retention, for as long as is asked. What is kept must not grow, and
//! what waited all the time must come out as it went in.
//!
//! Two things grow by design, and are shown and not judged: history, which is kept for good, and idempotency keys,
//! which are kept for a day and more.

mod held;
mod look;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use orch_bench::clock;

use crate::arrivals::Arrivals;
use crate::document::Summary;
use crate::ground::Ground;
use crate::job::{HELD_TYPE, Kind, Shape};
use crate::load::{Tasks, finish, hire, watch};
use crate::place::Place;
use crate::progress::Progress;
use crate::settings::Database;
use crate::site::http::HttpSite;
use crate::site::{Crewman, Site, Task};
use crate::soak::look::{Look, Looker};

/// How often the figures are read.
const LOOK: Duration = Duration::from_secs(30);
/// How much more there may be in the last third than in the first.
const GROWTH_MAX: f64 = 1.3;
/// How long the last jobs may take.
const REST_MAX: Duration = Duration::from_secs(60);

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How long the load lasts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(5..))]
    minutes: u64,
    /// Jobs of the paused type, which wait all the time.
    #[arg(long, default_value_t = 20_000)]
    held: usize,
    /// Jobs a second.
    #[arg(long, default_value_t = 1_000.0)]
    rate: f64,
    /// Jobs of one call.
    #[arg(long, default_value_t = 50)]
    batch: usize,
    /// How long jobs are kept after their end.
    #[arg(long, default_value_t = 60)]
    retention_seconds: u64,
    /// From one sweep to the next.
    #[arg(long, default_value_t = 10)]
    sweep_seconds: u64,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

/// Soaks each ledger.
pub async fn run(options: Options) -> Result<Summary> {
    for database in options.ground.databases() {
        one(database, &options).await.with_context(|| format!("soak on {}", database.name()))?;
    }
    Ok(Summary::default())
}

async fn one(database: Database, options: &Options) -> Result<()> {
    let place = Place::make(database, &options.ground).await?;
    let arguments = [("job_retention_seconds", options.retention_seconds), ("sweep_seconds", options.sweep_seconds)]
        .map(|(name, seconds)| format!("--set={name}={seconds}"));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let site = Arc::new(HttpSite::open_with(&place, &options.ground.orch, 1, &arguments).await?);
    site.pause(0, HELD_TYPE).await?;
    held::lay(site.client(), options.held).await.context("the held jobs")?;
    println!("{}: {} jobs wait in a paused lane; the load begins", database.name(), options.held);
    let looks = load(&place, &site, options).await?;
    judge(&looks, options)?;
    held::take(site.client(), options.held).await.context("the held jobs")?;
    println!("{}: all {} held jobs came out in their order, as they went in", database.name(), options.held);
    site.close().await?;
    drop(site);
    place.remove().await
}

/// The load, with figures now and then.
async fn load(place: &Place, site: &Arc<HttpSite>, options: &Options) -> Result<Vec<Look>> {
    let progress = Arc::new(Progress::default());
    let face: Arc<dyn Site> = Arc::<HttpSite>::clone(site);
    let length = Duration::from_secs(options.minutes * 60);
    let mut crew = Tasks::new();
    hire(&face, &progress, &mut crew, 1, Crewman { number: 0, claim: 100, task: Task::Succeed });
    let arrivals = Arrivals {
        site: Arc::clone(&face),
        progress: Arc::clone(&progress),
        shape: Shape { payload_bytes: 200, keys: true, fan: 0, kind: Kind::Labelled },
        rate: options.rate,
        batch: options.batch,
        tenants: 0..1,
        length,
        series: 1,
    };
    let mut producers = Tasks::new();
    producers.spawn(async move { arrivals.run().await });
    let looker = Looker::new(place, site.process());
    let began = clock::now();
    let mut looks: Vec<Look> = Vec::new();
    println!("{}", Look::HEAD);
    while began.elapsed() < length {
        clock::pause(LOOK.min(length.saturating_sub(began.elapsed()))).await;
        watch(&mut crew)?;
        watch(&mut producers)?;
        let look = looker.look(began.elapsed(), progress.done()).await?;
        println!("{}", look.line(looks.last()));
        looks.push(look);
    }
    finish(producers).await?;
    let ended = clock::now();
    while progress.waiting() > 0 {
        ensure!(ended.elapsed() < REST_MAX, "{} jobs were not done", progress.waiting());
        clock::pause(REST_MAX / 600).await;
    }
    progress.stop();
    finish(crew).await?;
    Ok(looks)
}

/// Fails when something grew without bound, or nothing was removed.
fn judge(looks: &[Look], options: &Options) -> Result<()> {
    // Before that nothing is old enough, and then a first sweep takes what has piled up.
    let warm = Duration::from_secs(2 * options.retention_seconds + options.sweep_seconds);
    let steady: Vec<&Look> = looks.iter().filter(|look| look.at >= warm).collect();
    let third = steady.len() / 3;
    ensure!(third > 0, "{} figures are too few to judge: soak longer", steady.len());
    let (first, last) = (&steady[..third], &steady[steady.len() - third..]);
    ensure!(last[0].removed > first[0].removed, "no sweep removed anything");
    let mut grown = Vec::new();
    for (what, of) in [
        ("rows of job", (|look| look.jobs) as fn(&Look) -> u64),
        ("rows of done", |look| look.done),
        ("rows of job_label", |look| look.labels),
        ("bytes of what is swept", |look| look.swept_bytes),
    ] {
        let mean = |part: &[&Look]| part.iter().map(|look| of(look) as f64).sum::<f64>() / part.len() as f64;
        let growth = mean(last) / mean(first).max(1.0);
        println!("{what}: {:.0} in the first third, {:.0} in the last: x {growth:.2}", mean(first), mean(last));
        if growth > GROWTH_MAX {
            grown.push(what);
        }
    }
    if !grown.is_empty() {
        bail!("more than x {GROWTH_MAX}: {}", grown.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        let orch = "orch".into();
        let ground = Ground { ledger: None, quick: false, json: None, postgres_url: None, postgres_pid: None, orch };
        let (retention_seconds, sweep_seconds) = (60, 10);
        Options { minutes: 10, held: 1, rate: 1.0, batch: 1, retention_seconds, sweep_seconds, ground }
    }

    fn looks(rows: impl Fn(u64) -> u64, removed: u64) -> Vec<Look> {
        let look = |n| Look { at: Duration::from_secs(n * 30), jobs: rows(n), removed: n * removed, ..Look::default() };
        (1..=20).map(look).collect()
    }

    #[test]
    fn growth_and_sweeps_that_never_ran_fail() {
        assert!(judge(&looks(|_| 1_000, 7), &options()).is_ok());
        assert!(judge(&looks(|n| 1_000 + n * 100, 7), &options()).is_err());
        assert!(judge(&looks(|_| 1_000, 0), &options()).is_err());
        assert!(judge(&looks(|_| 1_000, 7)[..5], &options()).is_err(), "too short");
    }
}
