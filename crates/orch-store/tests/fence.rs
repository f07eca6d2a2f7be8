//! The fence on real PostgreSQL, as explicit interleavings of sessions, and weaker fences that they find out.
//!
//! A trigger on `history` stops appends in their middle, behind the fence, for as long as the stage holds a lock.
//! Weaker fences are made from the real statement's text or schema; each must lose a commit in the same play.

use std::sync::Arc;
use std::time::Duration;

use orch_core::ids::{JobId, ShardNo};
use orch_core::port::{Append, Ledger, NodeParams, StoreError, TakeOver};
use orch_store::postgres::{APPEND_COMMIT, PostgresLedger, PostgresOptions};
use orch_testkit::ledger_suite::fixture::{LONG_MS, Owner, SHARD, announce, job, node};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection};

#[path = "support/cluster.rs"]
mod cluster;

/// Longer than any step of a play that goes on; a play that hangs fails.
const STUCK: Duration = Duration::from_secs(20);
/// The promise: whatever the old owner left open, a take-over is through by then.
const TAKE_OVER_MAX: Duration = Duration::from_secs(3);

/// What the play is about to find out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fence {
    /// As it is.
    Real,
    /// The append reads the epoch without a lock.
    NoLock,
    /// The epoch is not part of a key.
    NoKey,
    /// The new owner reads in the snapshot in which it took over.
    OwnSnapshot,
}

impl Fence {
    fn commit(self) -> &'static str {
        if self != Self::NoLock {
            return APPEND_COMMIT;
        }
        let text = APPEND_COMMIT.replace("    FOR KEY SHARE\n", "");
        assert_ne!(text, APPEND_COMMIT, "the statement has the lock that is to be taken out");
        Box::leak(text.into_boxed_str())
    }
}

/// A database, a session that directs, and an old owner with one commit.
struct Stage {
    url: String,
    director: PgConnection,
    old_ledger: Arc<dyn Ledger>,
    old: Owner,
}

impl Stage {
    async fn set(fence: Fence) -> Option<Self> {
        let url = cluster::database().await?;
        PostgresLedger::migrate(&url).await.expect("an empty database is migrated");
        let mut director = session(&url).await;
        director.execute(include_str!("fence/hold.sql")).await.expect("the trigger is made");
        if fence == Fence::NoKey {
            let drop = "ALTER TABLE shard_owner DROP CONSTRAINT shard_owner_epoch";
            director.execute(drop).await.expect("the key goes");
        }
        let old_ledger = ledger(&url, fence.commit()).await;
        let mut old = Owner::take(&old_ledger, SHARD, node(1)).await;
        let first = old.with_fact();
        old.write(&first).await;
        Some(Self { url, director, old_ledger, old })
    }

    async fn direct(&mut self, statement: &'static str) {
        self.director.execute(statement).await.expect("the director is obeyed");
    }

    /// The old owner's time is up, though it does not know.
    async fn expire(&mut self) {
        self.direct("UPDATE node SET expires_at = 0").await;
    }

    /// The old owner's connection cannot be ended: as when its backend is on another machine's far side, or so deep
    /// in a commit that it no longer listens.
    async fn make_unendable(&mut self) {
        self.direct("UPDATE shard_owner SET append_pid = NULL, append_started = NULL").await;
    }

    async fn hold_appends(&mut self) {
        self.direct("SELECT pg_advisory_lock(4711)").await;
    }

    async fn let_appends_go(&mut self) {
        self.direct("SELECT pg_advisory_unlock(4711)").await;
    }

    /// Starts the old owner's next commit and waits until it stands in its middle.
    async fn begin_append(&mut self) -> tokio::task::JoinHandle<Result<(), StoreError>> {
        let append = Append { jobs: vec![job(1)], ..self.old.with_fact() };
        let ledger = Arc::clone(&self.old_ledger);
        let appending = tokio::spawn(async move { ledger.append(&append).await });
        let stands = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        self.wait_until(stands).await;
        appending
    }

    /// Waits until the statement counts something.
    async fn wait_until(&mut self, count: &'static str) {
        let director = &mut self.director;
        let waiting = async {
            while sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *director).await.expect("it counts") == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(STUCK, waiting).await.expect("the play goes on");
    }

    async fn commits(&mut self) -> Vec<i64> {
        sqlx::query_scalar("SELECT commit_no FROM history WHERE shard = 2 ORDER BY commit_no")
            .fetch_all(&mut self.director)
            .await
            .expect("history is read")
    }
}

async fn session(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("the URL is one");
    let mut session = options.disable_statement_logging().connect().await.expect("the database answers");
    session.execute("SET search_path TO orchestrator").await.expect("a setting is set");
    session
}

async fn ledger(url: &str, commit: &'static str) -> Arc<dyn Ledger> {
    let options = PostgresOptions { readers_max: 2, requests_max: 2 };
    Arc::new(PostgresLedger::connect_with_commit(url, options, commit).await.expect("the database opens"))
}

/// The new owner: takes over, and reads the commits as the fence's kind says.
async fn take_and_read(url: String, fence: Fence) -> Vec<i64> {
    if fence == Fence::OwnSnapshot {
        let mut session = session(&url).await;
        session.execute("SET application_name TO 'orch ownership'").await.expect("a setting is set");
        return sqlx::query_scalar(include_str!("fence/take_and_read.sql"))
            .bind(node(2).0)
            .fetch_one(&mut session)
            .await
            .expect("the shard is taken");
    }
    let ledger = ledger(&url, APPEND_COMMIT).await;
    announce(&ledger, node(2), LONG_MS).await;
    let taken = ledger.shard_take_over(SHARD, node(2)).await.expect("a take-over is answered");
    assert!(matches!(taken, TakeOver::Taken(_)), "{taken:?}");
    let tail = ledger.tail_read(SHARD, 0, 99).await.expect("the tail is read");
    tail.iter().map(|commit| i64::try_from(commit.commit_no).expect("few commits")).collect()
}

/// The old owner's append stands in its middle, its connection cannot be ended, and somebody takes over.
/// Returns whether the append was acknowledged, what the new owner read, and what history holds at the end.
async fn slow_append_against_take_over(fence: Fence) -> Option<(bool, Vec<i64>, Vec<i64>)> {
    let mut stage = Stage::set(fence).await?;
    stage.expire().await;
    stage.make_unendable().await;
    stage.hold_appends().await;
    let appending = stage.begin_append().await;
    let taking = tokio::spawn(take_and_read(stage.url.clone(), fence));
    // Until the taker waits for the append's lock, or is through without waiting for it.
    let director = &mut stage.director;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'orch ownership' AND wait_event_type = 'Lock'";
    let waiting = async {
        while !taking.is_finished()
            && sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut *director).await.expect("it counts") == 0
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(STUCK, waiting).await.expect("the play goes on");
    stage.let_appends_go().await;
    let acknowledged = appending.await.expect("the old owner does not panic").is_ok();
    let read = taking.await.expect("the new owner does not panic");
    Some((acknowledged, read, stage.commits().await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_append_of_the_old_owner_is_read_by_the_new_one() {
    let Some((acknowledged, read, history)) = slow_append_against_take_over(Fence::Real).await else { return };
    assert!(acknowledged, "the take-over waited for it");
    assert_eq!(history, [1, 2]);
    assert_eq!(read, history, "what was acknowledged is what the new owner goes on from");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_weaker_fence_loses_an_acknowledged_commit() {
    for fence in [Fence::NoLock, Fence::NoKey, Fence::OwnSnapshot] {
        let Some((acknowledged, read, history)) = slow_append_against_take_over(fence).await else { return };
        assert!(acknowledged, "{fence:?}");
        assert_eq!(history, [1, 2], "{fence:?}");
        assert_eq!(read, [1], "{fence:?} is found out: the new owner would write a second commit 2");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_ends_the_old_owners_append_and_nothing_of_it_stays() {
    let Some(mut stage) = Stage::set(Fence::Real).await else { return };
    stage.expire().await;
    stage.hold_appends().await;
    let appending = stage.begin_append().await;
    let taking = take_and_read(stage.url.clone(), Fence::Real);
    let read = tokio::time::timeout(TAKE_OVER_MAX, taking).await.expect("it waits for nobody");
    assert_eq!(read, [1]);
    let cut = appending.await.expect("the old owner does not panic");
    assert!(matches!(cut, Err(StoreError::Unavailable(_))), "{cut:?}");
    stage.let_appends_go().await;
    assert_eq!(stage.commits().await, [1]);
    let again = stage.old.with_fact();
    assert!(matches!(stage.old.try_write(&again).await, Err(StoreError::Stale)));
}

/// A transaction of the old owner behind its fence, whose client says nothing more.
async fn frozen_transaction(stage: &mut Stage, with_time_outs: bool) -> PgConnection {
    let mut frozen = session(&stage.url).await;
    if with_time_outs {
        frozen.execute(include_str!("../sql/postgres/session/append.sql")).await.expect("settings are set");
    }
    frozen.execute(include_str!("fence/freeze.sql")).await.expect("the fence holds");
    let (pid, started): (i32, i64) = sqlx::query_as(include_str!("../sql/postgres/session/identity.sql"))
        .fetch_one(&mut frozen)
        .await
        .expect("it has a backend");
    sqlx::query(include_str!("../sql/postgres/shard_owner/register.sql"))
        .bind(i32::from(SHARD.0))
        .bind(1_i64)
        .bind(pid)
        .bind(started)
        .execute(&mut stage.director)
        .await
        .expect("a registration does not wait for an open append");
    frozen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_owners_transaction_does_not_hold_up_a_take_over() {
    // Without time-outs, as a client frozen in the middle of a message meets none: it is ended.
    // With time-outs, where it cannot be ended: it ends by itself.
    for endable in [true, false] {
        let Some(mut stage) = Stage::set(Fence::Real).await else { return };
        let mut frozen = frozen_transaction(&mut stage, !endable).await;
        stage.expire().await;
        if !endable {
            stage.make_unendable().await;
        }
        let taking = take_and_read(stage.url.clone(), Fence::Real);
        let read = tokio::time::timeout(TAKE_OVER_MAX, taking).await.expect("a frozen owner does not hold it up");
        assert_eq!(read, [1]);
        assert!(frozen.execute("COMMIT").await.is_err(), "when it thaws its transaction is gone");
        assert_eq!(stage.commits().await, [1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_the_same_pid_is_not_ended() {
    let Some(mut stage) = Stage::set(Fence::Real).await else { return };
    let mut stranger = session(&stage.url).await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut stranger).await.expect("it has one");
    sqlx::query("UPDATE shard_owner SET append_pid = $1, append_started = append_started - 1")
        .bind(pid)
        .execute(&mut stage.director)
        .await
        .expect("it is noted");
    stage.expire().await;
    assert_eq!(take_and_read(stage.url.clone(), Fence::Real).await, [1]);
    stranger.execute("SELECT 1").await.expect("the stranger lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_does_not_wait_for_an_open_append() {
    let Some(mut stage) = Stage::set(Fence::Real).await else { return };
    stage.hold_appends().await;
    let appending = stage.begin_append().await;
    let params = NodeParams { node: node(1), address: "http://one".to_owned(), lease_ms: LONG_MS };
    let renewing = stage.old_ledger.node_renew(&params);
    let renewal = tokio::time::timeout(Duration::from_secs(1), renewing).await.expect("it does not wait");
    assert_eq!(renewal.expect("it is renewed").owned, [(SHARD, stage.old.epoch)]);
    assert!(!appending.is_finished(), "the append was open all the time");
    stage.let_appends_go().await;
    appending.await.expect("it does not panic").expect("the append is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_meets_an_open_take_over_waits_and_does_as_it_ends() {
    for commits in [true, false] {
        let Some(mut stage) = Stage::set(Fence::Real).await else { return };
        stage.direct("BEGIN; UPDATE shard_owner SET epoch = epoch + 1 WHERE shard = 2").await;
        let append = Append { jobs: vec![job(1)], ..stage.old.with_fact() };
        let ledger = Arc::clone(&stage.old_ledger);
        let appending = tokio::spawn(async move { ledger.append(&append).await });
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND application_name = 'orch append' AND wait_event_type = 'Lock'";
        stage.wait_until(waits).await;
        stage.direct(if commits { "COMMIT" } else { "ROLLBACK" }).await;
        let outcome = appending.await.expect("it does not panic");
        if commits {
            assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
            assert_eq!(stage.commits().await, [1]);
        } else {
            outcome.expect("nobody took over");
            assert_eq!(stage.commits().await, [1, 2]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_waited_for_a_take_over_no_longer_names_the_shard() {
    let Some(mut stage) = Stage::set(Fence::Real).await else { return };
    let mut weaker = session(&stage.url).await;
    stage.direct("BEGIN; SELECT FROM node FOR UPDATE; UPDATE shard_owner SET epoch = epoch + 1, node = NULL").await;
    let params = NodeParams { node: node(1), address: "http://one".to_owned(), lease_ms: LONG_MS };
    let ledger = Arc::clone(&stage.old_ledger);
    let renewing = tokio::spawn(async move { ledger.node_renew(&params).await });
    // The weaker one renews and reads in one statement, and so in one snapshot.
    let in_one = tokio::spawn(async move {
        sqlx::query_scalar::<_, i32>(include_str!("fence/renew_in_one.sql"))
            .bind(node(1).0)
            .fetch_all(&mut weaker)
            .await
    });
    let waits = "SELECT count(*) / 2 FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock'";
    stage.wait_until(waits).await;
    stage.direct("COMMIT").await;
    let renewal = renewing.await.expect("it does not panic").expect("it is renewed");
    assert_eq!(renewal.owned, []);
    let named = in_one.await.expect("it does not panic").expect("it is renewed");
    assert_eq!(named, [i32::from(SHARD.0)], "the weaker one is found out: it still names the shard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_that_waited_for_a_renewal_finds_the_owner_alive() {
    let Some(mut stage) = Stage::set(Fence::Real).await else { return };
    stage.expire().await;
    let mut renewing = session(&stage.url).await;
    renewing
        .execute("BEGIN; UPDATE node SET expires_at = (extract(epoch FROM clock_timestamp()) * 1000)::int8 + 60000")
        .await
        .expect("it renews");
    let taker = ledger(&stage.url, APPEND_COMMIT).await;
    let taking = tokio::spawn(async move { taker.shard_take_over(SHARD, node(2)).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'orch ownership' AND wait_event_type = 'Lock'";
    stage.wait_until(waits).await;
    renewing.execute("COMMIT").await.expect("it is renewed");
    let answer = taking.await.expect("it does not panic").expect("it is answered");
    assert!(matches!(answer, TakeOver::Held { .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_connection_is_cut_leaves_the_outcome_open_and_the_ledger_usable() {
    let Some(mut stage) = Stage::set(Fence::Real).await else { return };
    stage.hold_appends().await;
    let appending = stage.begin_append().await;
    stage
        .direct(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orch append' \
                 AND datname = current_database()",
        )
        .await;
    let cut = appending.await.expect("it does not panic");
    assert!(matches!(cut, Err(StoreError::Unavailable(_))), "{cut:?}");
    stage.let_appends_go().await;
    let mut next = Owner::take(&stage.old_ledger, SHARD, node(1)).await;
    assert_eq!(next.commit_no, 1);
    let append = next.with_fact();
    next.write(&append).await;
    assert_eq!(stage.commits().await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_of_one_node_share_a_connection_and_survive_its_loss() {
    let Some(stage) = Stage::set(Fence::Real).await else { return };
    let mut other = Owner::take(&stage.old_ledger, ShardNo(3), node(1)).await;
    let mut first = Owner::take(&stage.old_ledger, SHARD, node(1)).await;
    for n in 1..=3 {
        let jobs = vec![job(n)];
        let append = Append { jobs, ..other.next() };
        other.write(&append).await;
        let append = first.next();
        first.write(&append).await;
    }
    let ids: Vec<JobId> = (1..=3).map(|n| job(n).id).collect();
    assert_eq!(stage.old_ledger.job_lookup(job(1).tenant, &ids).await.expect("jobs are looked up").len(), 3);
}
