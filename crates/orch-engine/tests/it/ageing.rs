//! Ageing on real ledgers: sweeps with a retention of milliseconds, beside paused lanes and under load.
//!
//! On PostgreSQL where `ORCH_TEST_POSTGRES_URL` names one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use orch_core::Timestamp;
use orch_core::backfill::BackfillSpec;
use orch_core::config::{ConfigDoc, JobType, Source};
use orch_core::fact::PauseTarget;
use orch_core::graph::{Graph, Step};
use orch_core::ids::{BackfillId, JobId, RunId};
use orch_core::job::{Dependency, DependsOn, JobError};
use orch_core::port::JobPageParams;
use orch_core::run::RunSpec;
use orch_core::schedule::ScheduledJob;
use orch_dispatch::Command;
use orch_dispatch::command::{Actor, AskedBackfill, Expect, NewJob, NewRun, Report, WhichGraph};
use orch_engine::{Ageing, EngineOptions, Lease};
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;

use crate::world::{SUCCESS, World, options};

const QUICK: Ageing = Ageing { job_retention: Duration::from_millis(100), sweep_interval: Duration::from_millis(10) };

/// Declares a test that runs on each ledger.
macro_rules! on_each_ledger {
    ($($(#[doc = $doc:literal])* $name:ident)*) => {
        $(
            mod $name {
                $(#[doc = $doc])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    let folder = tempfile::tempdir().unwrap();
                    super::$name(super::options(folder.path())).await;
                }

                $(#[doc = $doc])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    let Some((options, _folder)) = super::on_postgres(stringify!($name)).await else { return };
                    super::$name(options).await;
                }
            }
        )*
    };
}

on_each_ledger! {
    a_paused_lane_outlives_sweeps_and_retention
    sweeps_under_load_lose_no_open_job
    a_job_is_kept_from_its_end_on
    runs_and_backfills_go_by_their_ends
}

/// A database of the test's own; `None`, said aloud, when there is no URL.
async fn on_postgres(test: &str) -> Option<(EngineOptions, TempDir)> {
    let Ok(url) = std::env::var("ORCH_TEST_POSTGRES_URL") else {
        println!("SKIPPED: ORCH_TEST_POSTGRES_URL is not set");
        return None;
    };
    let name = format!("orch_ageing_{test}");
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    connection.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let own = format!("{server}/{name}");
    PostgresLedger::migrate(&own).await.unwrap();
    let ledger = PostgresLedger::connect(&own, PostgresOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let blobs = Arc::new(ledger.blobs());
    Some((EngineOptions::new(Arc::new(ledger), blobs), folder))
}

async fn a_moment() {
    let _ = tokio::time::timeout(Duration::from_millis(10), std::future::pending::<()>()).await;
}

impl World {
    async fn aged(mut options: EngineOptions, ageing: Ageing) -> Self {
        options.ageing = ageing;
        let world = Self::start(options).await;
        world.declare(JobType::named("t")).await;
        world.declare(JobType::named("u")).await;
        world
    }

    fn job_of(&self, job_type: &str, n: u32) -> NewJob {
        let mut job = self.job(n);
        job.lane.job_type = job_type.to_owned();
        job
    }

    async fn is_there(&self, job: JobId) -> bool {
        !self.engine.ledger().job_lookup(self.tenant, &[job]).await.unwrap().is_empty()
    }

    async fn gone(&self, job: JobId) {
        let wait = async {
            while self.is_there(job).await {
                a_moment().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("a sweep removes it");
    }

    async fn all_gone(&self) {
        let page = JobPageParams { limit: 1, ..JobPageParams::default() };
        let wait = async {
            while !self.engine.ledger().job_page(self.tenant, &page).await.unwrap().jobs.is_empty() {
                a_moment().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("sweeps remove them all");
    }

    async fn declare_source(&self, name: &str) {
        let doc = ConfigDoc::Source(Source { name: name.to_owned(), ..Source::default() });
        self.engine.command(Command::PutConfig { tenant: self.tenant, doc, expect: Expect::Any }).await.unwrap();
    }

    /// A run of one job.
    async fn run_of(&self, job_type: &str) -> RunId {
        let step = Step { name: "only".to_owned(), job_type: Some(job_type.to_owned()), ..Step::default() };
        let graph = WhichGraph::Own(Graph { name: "g".to_owned(), steps: vec![step], ..Graph::default() });
        let spec = RunSpec { inputs: "{}".to_owned(), ..RunSpec::default() };
        let run = self.engine.new_run_id();
        let new = Box::new(NewRun { run, graph, spec });
        self.engine.command(Command::StartRun { tenant: self.tenant, new, key: None }).await.unwrap();
        run
    }

    /// A backfill of one window, the hour of this number, which is one job.
    async fn backfill_of(&self, job_type: &str, hour: i64) -> BackfillId {
        const HOUR_MS: i64 = 3_600_000;
        let job = ScheduledJob { job_type: job_type.to_owned(), payload: "{}".to_owned(), ..ScheduledJob::default() };
        let spec = BackfillSpec {
            from: Timestamp::from_millis(hour * HOUR_MS),
            job: Some(job),
            reason: "lost".to_owned(),
            source: "kev".to_owned(),
            ticket: "T-1".to_owned(),
            to: Timestamp::from_millis((hour + 1) * HOUR_MS),
            window_ms: HOUR_MS.unsigned_abs(),
            ..BackfillSpec::default()
        };
        let (backfill, spec) = (BackfillId(self.engine.new_job_id().0), Box::new(AskedBackfill(spec)));
        let command = Command::CreateBackfill { tenant: self.tenant, backfill, spec, key: None };
        self.engine.command(command).await.unwrap();
        backfill
    }

    /// Whether the ledger has the run, and whether it has the backfill.
    async fn are_there(&self, run: RunId, backfill: BackfillId) -> [bool; 2] {
        let (ledger, tenant) = (self.engine.ledger(), self.tenant);
        let run = ledger.run_get(tenant, run).await.unwrap();
        [run.is_some(), ledger.backfill_get(tenant, backfill).await.unwrap().is_some()]
    }

    async fn both_gone(&self, run: RunId, backfill: BackfillId) {
        let wait = async {
            while self.are_there(run, backfill).await != [false; 2] {
                a_moment().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("sweeps remove them");
    }

    /// Completes this many jobs.
    async fn work(&mut self, jobs: usize) {
        let mut done = 0;
        while done < jobs {
            let leases = self.claim(jobs - done, 2_000).await;
            assert!(!leases.is_empty(), "{done} of {jobs} came");
            for lease in &leases {
                self.complete(lease, SUCCESS).await.unwrap();
            }
            done += leases.len();
        }
    }

    /// Ended jobs by the totals, and by the roll-up of those that went.
    async fn counted(&self) -> (u64, u64) {
        let (ledger, tenant) = (self.engine.ledger(), self.tenant);
        let totals = ledger.done_count(tenant).await.unwrap();
        let removed = ledger.rollup_list(tenant, Timestamp::ZERO).await.unwrap();
        (totals.iter().map(|row| row.jobs).sum(), removed.iter().map(|row| row.jobs).sum())
    }

    async fn pause(&self, pause: bool) {
        let (target, actor) = (PauseTarget::JobType("t".to_owned()), Actor { by: "me".into(), reason: None });
        let tenant = self.tenant;
        let command =
            if pause { Command::Pause { tenant, target, actor } } else { Command::Resume { tenant, target, actor } };
        self.engine.command(command).await.unwrap();
    }
}

fn number(lease: &Lease) -> u32 {
    let text = std::str::from_utf8(&lease.payload).unwrap();
    text.strip_prefix("{\"n\":").and_then(|text| text.strip_suffix('}')).unwrap().parse().unwrap()
}

/// Twenty sweeps and more pass while a lane is paused: its jobs come out as they went in, canceled ones excepted; a
/// blocked job, one that waits for its time, and an open dead letter stay too.
async fn a_paused_lane_outlives_sweeps_and_retention(options: EngineOptions) {
    let mut world = World::aged(options, QUICK).await;
    world.pause(true).await;
    let held: Vec<NewJob> = (0..1_500).map(|n| world.job_of("t", n)).collect();
    let canceled: Vec<u32> = vec![0, 7, 700, 1_499];
    let mut blocked = world.job_of("u", 5_000);
    blocked.depends_on = vec![Dependency { job: held[3].id, on: DependsOn::Succeeded }];
    let mut scheduled = world.job_of("u", 6_000);
    scheduled.not_before = Some(world.engine.now().plus_ms(3_600_000));
    let waiting = [blocked.id, scheduled.id];
    for chunk in held.chunks(500) {
        world.enqueue(chunk.to_vec(), None).await.unwrap();
    }
    world.enqueue(vec![blocked, scheduled, world.job_of("u", 7_000)], None).await.unwrap();
    let failing = world.claim(1, 1_000).await.remove(0);
    world.complete(&failing, Report::Failed(JobError::own("handler", "no", false))).await.unwrap();
    for n in &canceled {
        let (job, actor) = (held[*n as usize].id, Actor { by: "me".into(), reason: None });
        world.engine.command(Command::Cancel { tenant: world.tenant, job, actor }).await.unwrap();
    }
    for round in 0..20 {
        let mut job = world.job_of("u", round);
        // One that callers give may be lower or higher than all of ours.
        job.id_given = true;
        job.id = JobId(uuid::Uuid::from_u128(if round % 2 == 0 { 1 } else { u128::MAX - 1 }));
        let id = job.id;
        world.enqueue(vec![job], None).await.expect("an id that went may be used again");
        let lease = world.claim(1, 1_000).await.remove(0);
        assert_eq!(lease.grant.token.job, id);
        world.complete(&lease, SUCCESS).await.unwrap();
        world.gone(id).await;
    }
    for id in waiting {
        assert!(world.is_there(id).await, "what waits stays");
    }
    let letter = failing.grant.token.job;
    assert!(world.is_there(letter).await, "what has an open dead letter stays");
    assert!(world.engine.ledger().dead_letter_get(world.tenant, letter).await.unwrap().is_some());
    assert_eq!(world.counted().await, (25, 20));

    world.pause(false).await;
    let mut came = Vec::new();
    while came.len() < 1_497 {
        let leases = world.claim(500, 1_000).await;
        assert!(!leases.is_empty(), "{} came", came.len());
        for lease in &leases {
            came.push(number(lease));
            world.complete(lease, SUCCESS).await.unwrap();
        }
    }
    let unblocked = came.iter().position(|n| *n == 5_000).expect("its parent has succeeded");
    came.remove(unblocked);
    let expected: Vec<u32> = (0..1_500).filter(|n| !canceled.contains(n)).collect();
    assert_eq!(came, expected);

    let actor = Actor { by: "me".into(), reason: None };
    world.engine.command(Command::DiscardDeadLetter { tenant: world.tenant, job: letter, actor }).await.unwrap();
    world.gone(letter).await;
    for job in &held {
        world.gone(job.id).await;
    }
    assert!(world.is_there(waiting[1]).await);
    assert_eq!(world.counted().await, (1_522, 1_522));
    world.engine.shutdown().await;
}

/// Jobs come, are given back, and end, while sweeps run all the time: each ends once, and none is missed.
async fn sweeps_under_load_lose_no_open_job(options: EngineOptions) {
    const JOBS: u32 = 4_000;
    let ageing = Ageing { job_retention: Duration::from_millis(1), sweep_interval: Duration::from_millis(1) };
    let mut world = World::aged(options, ageing).await;
    let (engine, tenant) = (world.engine.clone(), world.tenant);
    let batches: Vec<Vec<NewJob>> = (0..JOBS / 100)
        .map(|batch| (batch * 100..(batch + 1) * 100).map(|n| world.job_of(["t", "u"][n as usize % 2], n)).collect())
        .collect();
    let producer = tokio::spawn(async move {
        for jobs in batches {
            engine.command(Command::Enqueue { tenant, jobs, key: None }).await.unwrap();
            a_moment().await;
        }
    });
    let (mut ended, mut returned) = (BTreeSet::new(), BTreeSet::new());
    while ended.len() < JOBS as usize {
        let leases = world.claim(300, 2_000).await;
        assert!(!leases.is_empty(), "{} of {JOBS} came", ended.len());
        for lease in &leases {
            let n = number(lease);
            if n.is_multiple_of(7) && returned.insert(n) {
                let command = Command::Release { tenants: vec![tenant], tokens: vec![lease.grant.token] };
                world.engine.command(command).await.unwrap();
                continue;
            }
            world.complete(lease, SUCCESS).await.unwrap();
            assert!(ended.insert(n), "{n} came twice");
        }
    }
    producer.await.unwrap();
    world.all_gone().await;
    assert!(world.claim(1, 0).await.is_empty());
    assert_eq!(world.counted().await, (u64::from(JOBS), u64::from(JOBS)));
    world.engine.shutdown().await;
}

/// What waited long is kept from its end on: its worker may repeat the report.
async fn a_job_is_kept_from_its_end_on(mut options: EngineOptions) {
    // Whichever of them the tenant lives on, it is swept.
    options.shards = 3;
    let ageing = Ageing { job_retention: Duration::from_millis(1_500), ..QUICK };
    let mut world = World::aged(options, ageing).await;
    let mark = world.job_of("u", 1);
    let first = mark.id;
    world.enqueue(vec![mark], None).await.unwrap();
    let lease = world.claim(1, 1_000).await.remove(0);
    world.enqueue(vec![world.job_of("t", 2)], None).await.unwrap();
    world.complete(&lease, SUCCESS).await.unwrap();
    world.gone(first).await;
    let late = world.claim(1, 1_000).await.remove(0);
    world.complete(&late, SUCCESS).await.unwrap();
    for _ in 0..10 {
        a_moment().await;
        world.complete(&late, SUCCESS).await.expect("the same report gets the same answer");
    }
    world.gone(late.grant.token.job).await;
    assert!(world.complete(&late, SUCCESS).await.is_err(), "nothing is known of it any more");
    world.engine.shutdown().await;
}

/// Runs and backfills that ended go; those that are open stay, however old, and go when they have ended too.
async fn runs_and_backfills_go_by_their_ends(options: EngineOptions) {
    let mut world = World::aged(options, QUICK).await;
    world.declare_source("kev").await;
    world.pause(true).await;
    let (old_run, old_backfill) = (world.run_of("t").await, world.backfill_of("t", 1).await);
    let (run, backfill) = (world.run_of("u").await, world.backfill_of("u", 2).await);
    assert_eq!(world.are_there(run, backfill).await, [true; 2]);
    world.work(2).await;
    world.both_gone(run, backfill).await;
    assert_eq!(world.are_there(old_run, old_backfill).await, [true; 2], "what is open stays");
    world.pause(false).await;
    world.work(2).await;
    world.both_gone(old_run, old_backfill).await;
    world.engine.shutdown().await;
}
