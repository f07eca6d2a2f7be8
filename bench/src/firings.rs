//! `firings`: schedules of every shard come each second while three replicas are drained and killed in turn, one of them
//! with a clock that is an hour off. In the ledger every nominal instant must be there once: with its one job, or with the
//! reason why it has none.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use orch_bench::{clock, postgres};
use orch_client::{Misfire, Overlap, Schedule, ScheduledJob, Timetable};
use serde::Serialize;

use crate::cluster::{Cluster, Form, url};
use crate::document::{Document, Line, Summary};
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::job::JOB_TYPE;
use crate::place::Place;
use crate::settings::Database;

/// Three replicas, two shards and four schedules for each.
const FORM: Form = Form { replicas: 3, shards: 6, tenants_per_shard: 2 };
/// The replica whose clock is off.
const OFF: usize = 2;
/// A schedule comes so often.
const EVERY_MS: u64 = 1_000;
/// How long a replica that was killed stays away: longer than others need to take its shards.
const AWAY: Duration = Duration::from_secs(6);
/// What an owner may still have to decide when it is judged.
const OWED_MS: i64 = 10_000;
/// Where libfaketime lies.
const FAKETIME: &str = "ORCH_BENCH_FAKETIME";

/// By tenant and schedule: instants with a job, those without, those that lie between the first and the last, the time of
/// the database in milliseconds less the last, and the latest that one was decided after its moment.
const INSTANTS: &str = "SELECT count(job)::int8, COALESCE(sum(count) FILTER (WHERE job IS NULL), 0)::int8, \
     ((max(last_at) - min(nominal_at)) / 1000 + 1)::int8, \
     ((extract(epoch FROM clock_timestamp()) * 1000)::int8 - max(last_at))::int8, max(at - last_at)::int8 \
     FROM orchestrator.firing GROUP BY tenant, schedule";
/// Jobs of schedules, and how many instants they are for.
const JOBS: &str = "SELECT count(*)::int8, count(DISTINCT (tenant, firing))::int8 FROM (SELECT tenant, \
     convert_from(extra, 'UTF8')::jsonb -> 'firing' AS firing FROM orchestrator.job WHERE extra IS NOT NULL) AS j \
     WHERE firing IS NOT NULL";

/// What the caller asked for.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Changes of owners, half of them drains and half kills: 40, or 6 with `--quick`.
    #[arg(long)]
    changes: Option<usize>,
    /// What it stands on.
    #[command(flatten)]
    pub ground: Ground,
}

/// What was found in the ledger.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Row {
    drains: usize,
    kills: usize,
    /// The clock of one replica was an hour off.
    clock_off: bool,
    schedules: u64,
    /// From the first to the last, of all schedules.
    instants: i64,
    fired: i64,
    skipped: i64,
    /// Jobs beyond one an instant.
    doubled: i64,
    /// Instants that are nowhere.
    missed: i64,
    /// The latest that an instant was decided after its moment, in milliseconds.
    late_ms: i64,
}

impl Line for Row {
    const HEAD: &'static [&'static str] = &[
        "drains, kills",
        "clock off",
        "schedules",
        "instants",
        "with a job",
        "skipped",
        "doubled",
        "missed",
        "latest ms",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            format!("{}, {}", self.drains, self.kills),
            if self.clock_off { "an hour" } else { "no" }.to_owned(),
            self.schedules.to_string(),
            self.instants.to_string(),
            self.fired.to_string(),
            self.skipped.to_string(),
            self.doubled.to_string(),
            self.missed.to_string(),
            self.late_ms.to_string(),
        ]
    }
}

/// Measures.
///
/// # Errors
/// Whatever keeps it from measuring, and instants that have two jobs or none and no reason.
pub async fn run(options: Options) -> Result<Summary> {
    ensure!(options.ground.ledger != Some(Database::Sqlite), "replicas need PostgreSQL");
    let changes = options.changes.unwrap_or(if options.ground.quick { 6 } else { 40 });
    let mut place = Place::make(Database::Postgres, &options.ground).await?;
    let commits = place.commits().await?;
    let mut cluster = Cluster::open(&place, &options.ground.orch, FORM).await?;
    schedule(&cluster).await?;
    let library = std::env::var(FAKETIME).ok();
    if library.is_none() {
        println!("SKIPPED the clock that is off: {FAKETIME} names no libfaketime");
    }
    let mut row = Row { clock_off: library.is_some(), ..Row::default() };
    for change in 0..changes {
        let replica = change % FORM.replicas;
        // Drains and kills in turn; of three replicas each has as many of both.
        if change.is_multiple_of(2) {
            cluster.end(replica).await.with_context(|| format!("drain {change}"))?;
            row.drains += 1;
        } else {
            cluster.kill(replica);
            row.kills += 1;
            clock::pause(AWAY).await;
        }
        let clock = library.as_deref().filter(|_| replica == OFF);
        cluster.start_off(&place, replica, clock.map(|library| (library, off(change))))?;
        cluster.settled().await.with_context(|| format!("change {change}"))?;
    }
    clock::pause(AWAY).await;
    judge(&place, &mut row).await?;
    cluster.stop().await?;
    place.remove().await?;
    let mut document = Document::begin(options.ground.clone());
    let (missed, doubled) = (row.missed, row.doubled);
    let findings = findings(&row);
    document.add(commits, row, findings);
    let summary = document.end(options.ground.json.as_deref())?;
    ensure!(missed == 0 && doubled == 0, "{missed} instants were missed, and {doubled} jobs are too many");
    Ok(summary)
}

/// An hour ahead, or behind.
fn off(change: usize) -> &'static str {
    if (change / FORM.replicas).is_multiple_of(2) { "+1h" } else { "-1h" }
}

/// Each tenant has a schedule of its own.
async fn schedule(cluster: &Cluster) -> Result<()> {
    for tenant in cluster.tenants() {
        let timetable = Timetable { every_ms: Some(EVERY_MS), ..Timetable::default() };
        let job = ScheduledJob { job_type: JOB_TYPE.to_owned(), ..ScheduledJob::default() };
        let (overlap, misfire) = (Some(Overlap::Allow), Some(Misfire::FireAll));
        let catch_up_ms = Some(600_000);
        let wanted = Schedule { overlap, misfire, catch_up_ms, ..Schedule::new("tick", timetable, job) };
        cluster.client(&tenant.token, 0)?.schedules().create(&wanted).await?;
    }
    Ok(())
}

/// Reads the ledger.
async fn judge(place: &Place, row: &mut Row) -> Result<()> {
    let mut ledger = postgres::connect(url(place)?).await?;
    let found: Vec<(i64, i64, i64, i64, i64)> = sqlx::query_as(INSTANTS).fetch_all(&mut ledger).await?;
    row.schedules = found.len() as u64;
    for (fired, skipped, instants, owed_ms, late_ms) in found {
        row.fired += fired;
        row.skipped += skipped;
        row.instants += instants;
        row.late_ms = row.late_ms.max(late_ms);
        // What lies behind the last is owed; a schedule that stopped owes all of it.
        row.missed += instants - fired - skipped + (owed_ms - OWED_MS).max(0) / EVERY_MS.cast_signed();
    }
    let (jobs, distinct): (i64, i64) = sqlx::query_as(JOBS).fetch_one(&mut ledger).await?;
    row.doubled = jobs - distinct;
    row.missed += (row.fired - distinct).abs();
    ensure!(row.schedules == u64::from(FORM.shards) * FORM.tenants_per_shard as u64, "a schedule never fired");
    Ok(())
}

fn findings(row: &Row) -> Vec<Finding> {
    let of = [("missed", row.missed), ("doubled", row.doubled)];
    let changes = row.drains + row.kills;
    let finding = |(how, count): (&str, i64)| {
        let what = format!("{how} over {changes} changes of owners, of {} instants", row.instants);
        Finding::new(Subject::Firings, what, (count as f64, "instants"), Bar::AtMost(0.0))
    };
    of.map(finding).to_vec()
}
