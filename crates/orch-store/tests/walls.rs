//! The wall between tenants in PostgreSQL, each of its two halves alone, and that a database without it is refused.

use std::sync::Arc;

use orch_core::ids::{JobId, TenantNo};
use orch_core::job::JobState;
use orch_core::port::{
    Append, BackfillRow, BlobStore, FiringRow, JobPageParams, JobRow, KeyPlace, Ledger, RotateParams, RunPageParams,
    RunRow, StoreError,
};
use orch_core::run::RunOutcome;
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use orch_testkit::ledger_suite::fixture::{
    LANE, OTHER, Owner, SHARD, TENANT, announce, artifact, at, backfill, backfill_end, backfill_id, checkpoint,
    dead_letter, done, job, job_id, key, labelled, log, node, run, run_end, run_id, settlement,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};

#[path = "support/cluster.rs"]
mod cluster;

/// What requests read.
const READ: &[&str] = &[
    "history",
    "job",
    "job_label",
    "done",
    "done_total",
    "dead_letter",
    "settlement",
    "checkpoint",
    "log_chunk",
    "artifact",
    "blob",
    "rollup",
    "firing",
    "run",
    "run_end",
    "backfill",
    "backfill_end",
];
/// What they do not even read.
const CLOSED: &[&str] = &["token", "idempotency", "snapshot", "node", "shard_owner", "ledger", "schema_migration"];

async fn session(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("the URL is one");
    let mut session = options.disable_statement_logging().connect().await.expect("the database answers");
    session.execute("SET search_path TO orchestrator").await.expect("a setting is set");
    session
}

async fn say(session: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    session.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.map(drop)
}

async fn count(session: &mut PgConnection, table: &str) -> i64 {
    let statement = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(session).await.expect("it counts")
}

/// A row in every table for `tenant`.
async fn fill(owner: &mut Owner, tenant: TenantNo) {
    let one = JobRow { tenant, ..labelled(job(1), &[("k", "v")]) };
    let mut used = key(1, at(1));
    used.tenant = tenant;
    let begun = RunRow { tenant, ..run(1) };
    let firing = FiringRow {
        tenant,
        schedule: "nightly".to_owned(),
        nominal_at: at(1),
        last_at: at(1),
        count: 1,
        at: at(1),
        job: None,
        run: Some(begun.id),
        cause: None,
    };
    let asked = BackfillRow { tenant, ..backfill(1) };
    let append = Append {
        blocks: vec![owner.block(tenant.into(), 1)],
        jobs: vec![one.clone()],
        done: vec![done(&one, JobState::Failed)],
        keys: vec![used],
        dead_letters: vec![dead_letter(&one, at(1))],
        settlements: vec![settlement(&one, None)],
        checkpoints: vec![checkpoint(&one, 1, "{}")],
        logs: vec![log(&one, 1, 1)],
        artifacts: vec![artifact(&one, 1, 'a')],
        firings: vec![firing],
        backfill_ends: vec![backfill_end(&asked)],
        backfills: vec![asked],
        run_ends: vec![run_end(&begun, RunOutcome::Failed)],
        runs: vec![begun],
        ..owner.next()
    };
    owner.write(&append).await;
}

/// A database with two tenants' rows.
async fn two_tenants() -> Option<String> {
    let url = cluster::database().await?;
    PostgresLedger::migrate(&url).await.expect("an empty database is migrated");
    let ledger = PostgresLedger::connect(&url, PostgresOptions::default()).await.expect("the database opens");
    for tenant in [TENANT, OTHER] {
        let kept = ledger.blobs().blob_put(tenant, &"a".repeat(64), "text/plain", "bytes".into()).await;
        kept.expect("bytes are kept");
    }
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let mut owner = Owner::first(&ledger).await;
    fill(&mut owner, TENANT).await;
    fill(&mut owner, OTHER).await;
    let mut session = session(&url).await;
    for tenant in [TENANT, OTHER] {
        say(&mut session, format!("INSERT INTO rollup VALUES (1, 1, {}, 1, 5, '')", tenant.0))
            .await
            .expect("it counts");
    }
    Some(url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_security_alone_shows_one_tenants_rows_and_without_a_tenant_none() {
    let Some(url) = two_tenants().await else { return };
    let mut session = session(&url).await;
    for table in READ {
        assert_eq!(count(&mut session, table).await, 2, "{table} has a row of each");
    }
    session.execute(include_str!("../sql/postgres/session/request.sql")).await.expect("the role is taken");
    for table in READ {
        assert_eq!(count(&mut session, table).await, 0, "{table} without a tenant");
    }
    for tenant in [TENANT, OTHER] {
        say(&mut session, format!("SET orchestrator.tenant TO '{}'", tenant.0)).await.expect("a setting is set");
        for table in READ {
            assert_eq!(count(&mut session, table).await, 1, "{table} for tenant {}", tenant.0);
            let column = if *table == "history" { "stream" } else { "tenant" };
            let other = if tenant == TENANT { OTHER } else { TENANT };
            let forged = format!("{table} WHERE {column} = {}", other.0);
            assert_eq!(count(&mut session, &forged).await, 0, "{table}: a statement that names the wrong tenant");
        }
    }
    session.execute("SET orchestrator.tenant TO ''").await.expect("a setting is set");
    assert_eq!(count(&mut session, "job").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_write_nothing_and_do_not_read_what_is_not_theirs() {
    let Some(url) = two_tenants().await else { return };
    let mut session = session(&url).await;
    session.execute(include_str!("../sql/postgres/session/request.sql")).await.expect("the role is taken");
    say(&mut session, format!("SET orchestrator.tenant TO '{}'", TENANT.0)).await.expect("a setting is set");
    let denied = async |session: &mut PgConnection, statement: String| {
        let error = say(session, statement.clone()).await.expect_err(&statement);
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    };
    for table in READ.iter().chain(CLOSED) {
        denied(&mut session, format!("DELETE FROM {table}")).await;
        denied(&mut session, format!("TRUNCATE {table}")).await;
        denied(&mut session, format!("INSERT INTO {table} SELECT * FROM {table}")).await;
    }
    for table in CLOSED {
        denied(&mut session, format!("SELECT * FROM {table}")).await;
    }
    denied(&mut session, "UPDATE job SET payload = ''".to_owned()).await;
    denied(&mut session, "CREATE TABLE mine ()".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_alone_show_one_tenants_rows() {
    // A superuser passes row-level security, so only the statements' own text is left.
    let Some(url) = two_tenants().await else { return };
    let mut session = session(&url).await;
    let max = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";
    let id = format!("'{}'", job_id(1).0);
    let page = format!("{max}, NULL, NULL, false, NULL, NULL, '{{k}}', '{{v}}', 9, 9");
    for (text, arguments, rows_of_tenant) in [
        (include_str!("../sql/postgres/job/page.sql"), page.clone(), 1),
        (include_str!("../sql/postgres/job/page_labelled.sql"), page.clone(), 1),
        (include_str!("../sql/postgres/job/page_ended.sql"), page.clone(), 1),
        (include_str!("../sql/postgres/job/page_unsuccessful.sql"), page, 1),
        (include_str!("../sql/postgres/job/lookup.sql"), format!("ARRAY[{id}]::uuid[]"), 1),
        (include_str!("../sql/postgres/done/lookup.sql"), format!("ARRAY[{id}]::uuid[]"), 1),
        (include_str!("../sql/postgres/dead_letter/page.sql"), format!("9223372036854775807, {max}, 9"), 0),
        (include_str!("../sql/postgres/dead_letter/page_all.sql"), format!("9223372036854775807, {max}, 9"), 1),
        (include_str!("../sql/postgres/dead_letter/get.sql"), id.clone(), 1),
        (include_str!("../sql/postgres/log_chunk/page.sql"), format!("{id}, 0, 0, 9"), 1),
        (include_str!("../sql/postgres/artifact/get.sql"), format!("'{}'", "a".repeat(64)), 1),
        (include_str!("../sql/postgres/firing/page.sql"), format!("'nightly', {}, 9", i64::MAX), 1),
        (include_str!("../sql/postgres/run/get.sql"), format!("'{}'", run_id(1).0), 1),
        (include_str!("../sql/postgres/backfill/get.sql"), format!("'{}'", backfill_id(1).0), 1),
        (include_str!("../sql/postgres/backfill/page.sql"), "9, 9".to_owned(), 1),
        (include_str!("../sql/postgres/run/page.sql"), "9, 9".to_owned(), 1),
        (include_str!("../sql/postgres/run/page_graph.sql"), "9, 9, 'nightly', NULL".to_owned(), 1),
        (include_str!("../sql/postgres/run/page_outcome.sql"), "9, 9, 6::int2".to_owned(), 1),
        (include_str!("../sql/postgres/blob/get.sql"), format!("'{}'", "a".repeat(64)), 1),
        (include_str!("../sql/postgres/history/stream.sql"), "0, 9".to_owned(), 1),
        (include_str!("../sql/postgres/rollup/list.sql"), "0".to_owned(), 1),
    ] {
        say(&mut session, format!("PREPARE read AS {text}")).await.expect("it is prepared");
        for (tenant, rows) in [(TENANT.0, rows_of_tenant), (999, 0)] {
            let statement = format!("EXECUTE read ({tenant}, {arguments})");
            let found = sqlx::raw_sql(AssertSqlSafe(statement.clone())).fetch_all(&mut session).await;
            let found = found.unwrap_or_else(|error| panic!("{statement}: {error}"));
            // A page without a match has one row that says so.
            let empty = |row: &sqlx::postgres::PgRow| {
                sqlx::Row::try_get_raw(row, 0).is_ok_and(|first| sqlx::ValueRef::is_null(&first))
            };
            assert_eq!(found.iter().filter(|row| !empty(row)).count(), rows, "{statement}\n{text}");
        }
        session.execute("DEALLOCATE read").await.expect("it is dropped");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_the_wall_is_refused_by_name() {
    let Some(url) = two_tenants().await else { return };
    let mut session = session(&url).await;
    for (hole, named, mending) in [
        (
            "ALTER TABLE job DISABLE ROW LEVEL SECURITY",
            "`job` has no forced",
            "ALTER TABLE job ENABLE ROW LEVEL SECURITY",
        ),
        (
            "ALTER TABLE done NO FORCE ROW LEVEL SECURITY",
            "`done` has no forced",
            "ALTER TABLE done FORCE ROW LEVEL SECURITY",
        ),
        ("GRANT INSERT ON history TO orch_api", "may write table `history`", "REVOKE INSERT ON history FROM orch_api"),
        ("GRANT SELECT ON snapshot TO orch_api", "`snapshot` has no forced", "REVOKE SELECT ON snapshot FROM orch_api"),
    ] {
        session.execute(hole).await.expect("a hole is made");
        match PostgresLedger::connect(&url, PostgresOptions::default()).await {
            Err(StoreError::Refused(text)) => assert!(text.contains(named), "{text}"),
            Err(other) => panic!("{hole}: {other}"),
            Ok(_) => panic!("{hole}: not refused"),
        }
        session.execute(mending).await.expect("it is mended");
    }
    PostgresLedger::connect(&url, PostgresOptions::default()).await.expect("it stands again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_no_superuser_owns_migrates_writes_and_takes_over() {
    let Some(url) = cluster::database().await else { return };
    let login = format!("orch_login_{}", std::process::id());
    let mut admin = session(&url).await;
    // The roles are there after any migration; whoever runs a cluster grants them.
    let other = cluster::database().await.expect("there was one before");
    PostgresLedger::migrate(&other).await.expect("an empty database is migrated");
    for statement in [
        format!("DROP ROLE IF EXISTS {login}"),
        format!("CREATE ROLE {login} LOGIN NOSUPERUSER PASSWORD 'test'"),
        format!("GRANT orch_engine, orch_api TO {login}"),
        format!("DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {login}', current_database()); END $$"),
    ] {
        say(&mut admin, statement).await.expect("the role is made");
    }
    let options: PgConnectOptions = url.parse().expect("the URL is one");
    let mine = options.username(&login).password("test").to_url_lossy().to_string();
    PostgresLedger::migrate(&mine).await.expect("an empty database is migrated");
    let open = async || {
        let ledger = PostgresLedger::connect(&mine, PostgresOptions::default()).await.expect("the database opens");
        let ledger: Arc<dyn Ledger> = Arc::new(ledger);
        ledger
    };
    let ledger = open().await;
    let mut owner = Owner::first(&ledger).await;
    fill(&mut owner, TENANT).await;
    let page = JobPageParams { limit: 9, ..JobPageParams::default() };
    assert_eq!(ledger.job_page(TENANT, &page).await.expect("pages are read").jobs.len(), 1);
    assert_eq!(ledger.job_page(OTHER, &page).await.expect("pages are read").jobs.len(), 0);
    let params = RotateParams {
        tenant: TENANT,
        heads: Arc::new([(LANE, 9)]),
        keep: Arc::new([]),
        before: at(90_000),
        above: JobId(uuid::Uuid::nil()),
        upto: JobId(uuid::Uuid::max()),
    };
    assert_eq!(ledger.job_rotate(&params).await.expect("rotation runs").removed, 1);
    assert_eq!(ledger.rollup_list(TENANT, at(0)).await.expect("counts are read").len(), 1);
    let forgotten = ledger.key_rotate(TENANT, at(3 * 86_400_000), KeyPlace::default()).await;
    assert_eq!(forgotten.expect("keys are forgotten").removed, 1);
    let runs = RunPageParams { limit: 9, ..RunPageParams::default() };
    assert_eq!(ledger.run_page(TENANT, &runs).await.expect("runs are read").len(), 1);
    assert_eq!(ledger.run_rotate(TENANT, at(90_000)).await.expect("runs go"), 1);
    assert_eq!(ledger.backfill_page(TENANT, None, 9).await.expect("backfills are read").len(), 1);
    assert_eq!(ledger.backfill_rotate(TENANT, at(90_000)).await.expect("backfills go"), 1);
    announce(&ledger, node(1), 0).await;
    let second = open().await;
    let mut taken = Owner::take(&second, SHARD, node(2)).await;
    let append = taken.with_fact();
    taken.write(&append).await;
    let stale = owner.with_fact();
    // Its connection was ended by the take-over, which only the same login may do.
    assert!(matches!(owner.try_write(&stale).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(owner.try_write(&stale).await, Err(StoreError::Stale)));
    say(&mut admin, format!("DROP OWNED BY {login}")).await.expect("it goes");
    say(&mut admin, format!("DROP ROLE {login}")).await.expect("it goes");
}
