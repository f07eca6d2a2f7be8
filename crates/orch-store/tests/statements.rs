//! Every statement: has its twin in the other dialect, is described, can be prepared, and, where it is hot, goes by
//! the index that its header names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use orch_core::port::{Append, RunRow};
use orch_core::run::RunOutcome;
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use orch_store::sqlite::SqliteLedger;
use orch_testkit::ledger_suite::fixture::{
    Owner, backfill, backfill_end, checkpoint, dead_letter, done, job, labelled, run, run_end, settlement,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};

#[path = "support/cluster.rs"]
mod cluster;

/// Statements that one dialect has alone, each with its reason.
const ALONE: &[(&str, &str, &str)] = &[
    ("postgres", "append/commit", "one statement is one round trip; SQLite has none and inserts row by row"),
    ("postgres", "blob/get", "uploaded bytes lie in a folder beside the SQLite file"),
    ("postgres", "blob/put", "uploaded bytes lie in a folder beside the SQLite file"),
    ("postgres", "migration/exists", "SQLite always migrates when it opens"),
    ("postgres", "migration/lock", "SQLite has the OS lock"),
    ("postgres", "node/lock", "SQLite's write transaction excludes every other"),
    ("postgres", "session/append", "SQLite has one connection that writes"),
    ("postgres", "session/identity", "SQLite has no backends"),
    ("postgres", "session/keeper", "SQLite has one connection that writes"),
    ("postgres", "session/request", "SQLite has no roles"),
    ("postgres", "session/tenant", "SQLite has no roles"),
    ("postgres", "session/walls", "SQLite has no roles"),
    ("postgres", "session/ownership", "SQLite has one connection that writes"),
    ("postgres", "shard_owner/end_sessions", "SQLite has no backends"),
    ("postgres", "shard_owner/register", "SQLite has no backends"),
    ("postgres", "shard_owner/register_second", "SQLite has no backends"),
    ("sqlite", "checkpoint/remove", "part of job/remove"),
    ("sqlite", "dead_letter/remove", "part of job/remove"),
    ("sqlite", "done/insert", "part of append/commit"),
    ("sqlite", "done/remove", "part of job/remove"),
    ("sqlite", "history/insert", "part of append/commit"),
    ("sqlite", "idempotency/days", "part of idempotency/lookup"),
    ("sqlite", "idempotency/insert", "part of append/commit"),
    ("sqlite", "job/insert", "part of append/commit"),
    ("sqlite", "job_label/remove", "part of job/remove"),
    ("sqlite", "ledger/now", "part of the ownership statements"),
    ("sqlite", "rollup/add", "part of job/remove"),
    ("sqlite", "run_end/remove", "part of run/remove"),
    ("sqlite", "backfill_end/remove", "part of backfill/remove"),
    ("sqlite", "session/writer", "PostgreSQL has a session a duty"),
    ("sqlite", "settlement/remove", "part of job/remove"),
    ("sqlite", "shard_owner/fence", "part of append/commit"),
];

fn folder(dialect: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(dialect)
}

/// Name (noun/verb) and text of each statement.
fn statements(dialect: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for noun in fs::read_dir(folder(dialect)).expect("the folder is there") {
        let noun = noun.expect("it is readable").path();
        for file in fs::read_dir(&noun).expect("nouns are folders") {
            let file = file.expect("it is readable").path();
            let noun = noun.file_name().expect("it has a name").to_string_lossy().into_owned();
            let verb = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
            found.insert(format!("{noun}/{verb}"), fs::read_to_string(&file).expect("it is text"));
        }
    }
    found
}

#[test]
fn dialects_have_the_same_statements_but_for_a_reasoned_list() {
    let [postgres, sqlite] = ["postgres", "sqlite"].map(|dialect| {
        let alone: BTreeSet<String> = ALONE.iter().filter(|row| row.0 == dialect).map(|row| row.1.to_owned()).collect();
        let all: BTreeSet<String> = statements(dialect).into_keys().collect();
        assert_eq!(alone.difference(&all).collect::<Vec<_>>(), Vec::<&String>::new(), "listed and not there");
        &all - &alone
    });
    assert_eq!(postgres, sqlite);
    assert!(ALONE.iter().all(|row| row.2.len() > 10));
}

#[test]
fn every_statement_is_described_and_reads_no_clock_but_for_ownership() {
    for dialect in ["postgres", "sqlite"] {
        for (name, text) in statements(dialect) {
            assert!(text.starts_with("-- ") && text.len() > 40, "{dialect}/{name} says what it does");
            let clock = ["now()", "clock_timestamp", "CURRENT_", "unixepoch"].iter().any(|word| text.contains(word));
            let ownership = ["node/", "shard_owner/", "ledger/now", "migration/"];
            assert!(!clock || ownership.iter().any(|noun| name.starts_with(noun)), "{dialect}/{name} reads a clock");
        }
    }
}

#[test]
fn every_statement_of_a_tenants_rows_names_the_tenant() {
    let tables = [
        "job",
        "job_label",
        "done",
        "done_total",
        "idempotency",
        "dead_letter",
        "settlement",
        "checkpoint",
        "log_chunk",
        "artifact",
        "blob",
        "config",
        "rollup",
        "firing",
        "run",
        "run_end",
        "backfill",
        "backfill_end",
    ];
    for dialect in ["postgres", "sqlite"] {
        for (name, text) in statements(dialect) {
            let noun = name.split('/').next().expect("names have two parts");
            if tables.contains(&noun) && name != "idempotency/days" {
                assert!(text.contains("tenant"), "{dialect}/{name} names no tenant");
            }
        }
    }
}

async fn session(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("the URL is one");
    options.disable_statement_logging().connect().await.expect("the database answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_postgres_statement_can_be_prepared() {
    let Some(url) = cluster::database().await else { return };
    PostgresLedger::migrate(&url).await.expect("an empty database is migrated");
    let mut session = session(&url).await;
    for (name, text) in statements("postgres") {
        let settings = ["append", "keeper", "ownership", "reader"].map(|duty| format!("session/{duty}"));
        if settings.contains(&name) || name == "session/request" || name == "migration/begin" {
            session.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        } else {
            session.execute("RESET ROLE; SET search_path TO orchestrator").await.expect("a setting is set");
            let text = sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(text));
            session.prepare(text).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

#[test]
fn every_sqlite_statement_can_be_prepared() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("orch.db");
    drop(SqliteLedger::open(&path).expect("the file opens"));
    let connection = rusqlite::Connection::open(&path).expect("the file opens");
    for (name, text) in statements("sqlite") {
        if name.starts_with("session/") {
            connection.execute_batch(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        } else {
            connection.prepare(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

/// A ledger with enough rows that a wrong road costs something: 6,000 jobs, a third of them ended, a tenth labelled; and
/// 6,000 runs of ten graphs, of which one in a hundred is open and one failed.
async fn filled(ledger: std::sync::Arc<dyn orch_core::port::Ledger>) {
    let mut owner = Owner::first(&ledger).await;
    for chunk in 0..3 {
        let jobs: Vec<_> = (chunk * 2_000 + 1..=(chunk + 1) * 2_000)
            .map(|n| if n % 10 == 0 { labelled(job(n), &[("k", "v"), ("n", &n.to_string())]) } else { job(n) })
            .collect();
        let runs: Vec<_> = (chunk * 2_000 + 1..=(chunk + 1) * 2_000)
            .map(|n| RunRow { graph: format!("graph-{}", n % 10), ..run(n) })
            .collect();
        let outcome = |run: &RunRow| if run.seq % 100 == 7 { RunOutcome::Failed } else { RunOutcome::Succeeded };
        let append = Append {
            done: jobs[..600].iter().map(|job| done(job, orch_core::JobState::Succeeded)).collect(),
            checkpoints: jobs[..600].iter().map(|job| checkpoint(job, 1, "{}")).collect(),
            dead_letters: jobs[..600].iter().map(|job| dead_letter(job, job.created_at)).collect(),
            settlements: jobs[..300].iter().map(|job| settlement(job, None)).collect(),
            run_ends: runs.iter().filter(|run| run.seq % 100 != 0).map(|run| run_end(run, outcome(run))).collect(),
            backfill_ends: runs.iter().map(|run| backfill_end(&backfill(run.seq))).collect(),
            backfills: runs.iter().map(|run| backfill(run.seq)).collect(),
            runs,
            jobs,
            ..owner.with_fact()
        };
        owner.write(&append).await;
    }
}

const IDS: &str = "ARRAY['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002']::uuid[]";
const MIN: &str = "'00000000-0000-0000-0000-000000000000'";
const MAX: &str = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";
const NO_FILTER: &str = "NULL, NULL, false, NULL, NULL, '{}', '{}', 51, 51";

/// Session, statement, arguments, and what its plan must and must not have.
type HotPlan = (&'static str, &'static str, String, &'static [&'static str], &'static [&'static str]);

fn hot_plans() -> Vec<HotPlan> {
    const NO_SCAN: &[&str] = &["Seq Scan", "Bitmap", "Hash ", "Merge"];
    // A whole stream would be walked for each block.
    const NO_WALK: &[&str] = &["Seq Scan", "Bitmap", "Hash ", "Merge", "history_pkey", "Filter: (w."];
    const NO_SORT: &[&str] = &["Seq Scan", "Bitmap", "Hash ", "Merge", "Sort"];
    let many: String = std::iter::repeat_n(", '{}'", 30).collect();
    vec![
        (
            "append",
            "append/commit",
            format!("2, 1, 4{many}, false"),
            &["history_pkey", "LockRows", "shard_owner"],
            &["Seq Scan"],
        ),
        (
            "reader",
            "job/window",
            "'{30064771075, 30064771076}', '{7, 7}', '{10, 10}', '{100, 100}'".into(),
            &["Index Scan using job_window", "done_pkey"],
            NO_SORT,
        ),
        ("reader", "job/lookup", format!("7, {IDS}"), &["job_pkey", "done_pkey", "settlement_pkey"], NO_SORT),
        ("reader", "done/lookup", format!("7, {IDS}"), &["done_pkey"], NO_SORT),
        ("reader", "checkpoint/lookup", format!("7, {IDS}"), &["checkpoint_pkey"], NO_SORT),
        ("reader", "idempotency/lookup", format!("7, {IDS}, 0, 0"), &["idempotency_pkey"], NO_SORT),
        ("reader", "history/tail", "2, 0, 100".into(), &["history_pkey"], NO_SORT),
        ("reader", "history/stream", "7, 0, 100".into(), &["history_stream"], NO_SORT),
        ("reader", "history/block_lookup", "7, '{1, 2}'".into(), &["history_stream"], NO_WALK),
        ("request", "job/page", format!("7, {MAX}, {NO_FILTER}"), &["Backward using job_pkey", "done_pkey"], NO_SCAN),
        (
            "request",
            "job/page_labelled",
            format!("7, {MAX}, NULL, NULL, false, NULL, NULL, '{{k}}', '{{v}}', 51, 2000"),
            &["Backward using job_label_value"],
            NO_SCAN,
        ),
        ("request", "job/page_ended", format!("7, {MAX}, {NO_FILTER}"), &["Backward using done_pkey"], NO_SCAN),
        (
            "request",
            "job/page_unsuccessful",
            format!("7, {MAX}, {NO_FILTER}"),
            &["Backward using done_unsuccessful"],
            NO_SCAN,
        ),
        (
            "request",
            "job/page_failed",
            format!("7, {MAX}, {NO_FILTER}, '{{timeout}}'"),
            &["Backward using done_unsuccessful"],
            NO_SCAN,
        ),
        ("request", "dead_letter/page", format!("7, 9, {MAX}, 50"), &["Backward using dead_letter_open"], NO_SORT),
        ("request", "dead_letter/page_all", format!("7, 9, {MAX}, 50"), &["Backward using dead_letter_page"], NO_SORT),
        ("request", "firing/page", "7, 'a', 9, 50".into(), &["Backward using firing_pkey"], NO_SORT),
        ("keeper", "firing/remove", "7, 9".into(), &["firing_at"], NO_SORT),
        ("request", "config/get", "7, 'graph', 'a', 1".into(), &["config_pkey"], NO_SORT),
        ("request", "run/get", format!("7, {MAX}"), &["run_pkey", "run_end_pkey"], NO_SORT),
        ("request", "run/page", "7, 9999, 50".into(), &["Backward using run_page", "run_end_pkey"], NO_SORT),
        (
            "request",
            "run/page_graph",
            "7, 9999, 50, 'graph-3', 6::int2".into(),
            &["Backward using run_graph", "run_end_pkey"],
            NO_SORT,
        ),
        (
            "request",
            "run/page_graph",
            "7, 9999, 50, 'none', NULL".into(),
            &["Backward using run_graph", "run_end_pkey"],
            NO_SORT,
        ),
        (
            "request",
            "run/page_outcome",
            "7, 9999, 50, 6::int2".into(),
            &["Backward using run_end_page", "run_pkey"],
            NO_SORT,
        ),
        ("keeper", "run/remove", "7, 9".into(), &["run_end_at", "run_pkey"], NO_SORT),
        ("request", "backfill/get", format!("7, {MAX}"), &["backfill_pkey", "backfill_end_pkey"], NO_SORT),
        (
            "request",
            "backfill/page",
            "7, 9999, 50".into(),
            &["Backward using backfill_page", "backfill_end_pkey"],
            NO_SORT,
        ),
        ("keeper", "backfill/remove", "7, 9".into(), &["backfill_end_at", "backfill_pkey"], NO_SORT),
        ("request", "log_chunk/page", format!("7, {MAX}, 0, 0, 50"), &["log_chunk_pkey"], NO_SORT),
        ("request", "artifact/get", "7, 'a'".into(), &["artifact_pkey"], NO_SORT),
        ("request", "done_total/list", "7".into(), &["done_total_pkey"], NO_SORT),
        ("reader", "token/lookup", "'\\x00'".into(), &["token_secret_sha256_key"], NO_SORT),
        (
            "keeper",
            "job/rotate_walk",
            format!("7, {MIN}, {MAX}"),
            &["using job_pkey", "done_pkey", "settlement_pkey", "dead_letter"],
            NO_SCAN,
        ),
        (
            "keeper",
            "job/remove",
            format!("7, {IDS}, 9"),
            &["job_pkey", "done_pkey", "job_label_pkey", "checkpoint_pkey", "dead_letter_pkey", "settlement_pkey"],
            NO_SORT,
        ),
        ("keeper", "log_chunk/remove", format!("7, {IDS}, 9"), &["log_chunk_pkey"], NO_SORT),
        ("keeper", "artifact/remove", format!("7, {IDS}, 9"), &["artifact_job"], NO_SORT),
        ("keeper", "idempotency/remove", format!("7, 9, 0, {MIN}"), &["idempotency_pkey"], NO_SORT),
        ("request", "rollup/list", "7, 0".into(), &["rollup_pkey"], NO_SORT),
    ]
}

/// The plan of one statement in a session of its duty.
async fn plan_of(url: &str, texts: &BTreeMap<String, String>, mode: &str, hot: &HotPlan) -> String {
    let (duty, name, arguments, ..) = hot;
    let mut session = session(url).await;
    let settings = match *duty {
        "request" => format!("{};\n{}", texts["session/reader"], texts["session/request"]),
        duty => texts[&format!("session/{duty}")].clone(),
    };
    let prepared = format!("{settings};\nSET plan_cache_mode TO {mode};\nPREPARE hot AS {}", texts[*name]);
    session.execute(sqlx::raw_sql(AssertSqlSafe(prepared))).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE hot ({arguments})");
    let lines = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut session).await;
    let lines = lines.unwrap_or_else(|e| panic!("{name}: {e}"));
    let line = |row| <(String,) as sqlx::FromRow<_>>::from_row(row).expect("plans are text").0;
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn check_plans(url: &str, when: &str, modes: &[&str], duties: &[&str]) {
    let texts = statements("postgres");
    for mode in modes {
        for hot in hot_plans().iter().filter(|hot| duties.contains(&hot.0)) {
            let plan = plan_of(url, &texts, mode, hot).await;
            for must in hot.3 {
                assert!(plan.contains(must), "{} ({mode}, {when}) lacks {must}:\n{plan}", hot.1);
            }
            for must_not in hot.4 {
                assert!(!plan.contains(must_not), "{} ({mode}, {when}) has {must_not}:\n{plan}", hot.1);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_statements_go_by_their_indexes_whatever_the_statistics() {
    let Some(url) = cluster::database().await else { return };
    PostgresLedger::migrate(&url).await.expect("an empty database is migrated");
    let both = ["force_generic_plan", "force_custom_plan"];
    // Plans that are kept may have been made for empty tables.
    check_plans(&url, "empty", &both[..1], &["append", "reader"]).await;
    session(&url).await.execute("ANALYZE").await.expect("statistics are made");
    let ledger = PostgresLedger::connect(&url, PostgresOptions::default()).await.expect("the database opens");
    filled(std::sync::Arc::new(ledger)).await;
    let all = ["append", "reader", "request", "keeper"];
    check_plans(&url, "filled since the last ANALYZE", &both, &all).await;
    session(&url).await.execute("ANALYZE").await.expect("statistics are made");
    check_plans(&url, "analyzed", &both, &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_sqlite_statements_go_by_their_indexes() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("orch.db");
    filled(std::sync::Arc::new(SqliteLedger::open(&path).expect("the file opens"))).await;
    let connection = rusqlite::Connection::open(&path).expect("the file opens");
    let texts = statements("sqlite");
    for (name, must) in [
        ("shard_owner/fence", "SEARCH history USING COVERING INDEX sqlite_autoindex_history_1"),
        ("job/window", "SEARCH j USING INDEX job_window (lane=? AND seq>?)"),
        ("job/window", "SEARCH d USING PRIMARY KEY (tenant=? AND job=?)"),
        ("job/lookup", "SEARCH j USING INDEX sqlite_autoindex_job_1 (tenant=? AND id=?)"),
        ("done/lookup", "SEARCH done USING PRIMARY KEY (tenant=? AND job=?)"),
        ("idempotency/lookup", "SEARCH idempotency USING PRIMARY KEY (day=? AND tenant=? AND key=?)"),
        (
            "history/tail",
            "SEARCH history USING INDEX sqlite_autoindex_history_1 (shard=? AND commit_no>? AND commit_no<?)",
        ),
        ("history/stream", "SEARCH history USING INDEX history_stream (stream=? AND last_seq>?)"),
        ("history/block_lookup", "SEARCH history USING INDEX history_stream (stream=? AND last_seq>?)"),
        ("job/page", "SEARCH job USING COVERING INDEX sqlite_autoindex_job_1 (tenant=? AND id<?)"),
        (
            "job/page_labelled",
            "SEARCH job_label USING COVERING INDEX job_label_value (tenant=? AND key=? AND value=? AND job<?)",
        ),
        ("job/page_ended", "SEARCH done USING PRIMARY KEY (tenant=? AND job<?)"),
        ("job/page_unsuccessful", "SEARCH done USING COVERING INDEX done_unsuccessful (tenant=? AND job<?)"),
        ("job/page_failed", "SEARCH done USING COVERING INDEX done_unsuccessful (tenant=? AND job<?)"),
        ("dead_letter/page", "SEARCH d USING INDEX dead_letter_open"),
        ("dead_letter/page_all", "SEARCH d USING INDEX dead_letter_page"),
        ("firing/page", "SEARCH f USING INDEX sqlite_autoindex_firing_1 (tenant=? AND schedule=? AND nominal_at<?)"),
        ("firing/remove", "SEARCH f USING COVERING INDEX firing_at (tenant=? AND at<?)"),
        ("config/get", "SEARCH c USING INDEX sqlite_autoindex_config_1 (tenant=? AND kind=? AND name=? AND version=?)"),
        ("run/get", "SEARCH r USING INDEX sqlite_autoindex_run_1 (tenant=? AND id=?)"),
        ("run/get", "SEARCH e USING INDEX sqlite_autoindex_run_end_1 (tenant=? AND id=?)"),
        ("run/page", "SEARCH r USING INDEX run_page (tenant=? AND seq<?)"),
        ("run/page", "SEARCH e USING INDEX sqlite_autoindex_run_end_1 (tenant=? AND id=?)"),
        ("run/page_graph", "SEARCH r USING INDEX run_graph (tenant=? AND graph=? AND seq<?)"),
        ("run/page_graph", "SEARCH e USING INDEX sqlite_autoindex_run_end_1 (tenant=? AND id=?)"),
        ("run/page_outcome", "SEARCH e USING INDEX run_end_page (tenant=? AND outcome=? AND seq<?)"),
        ("run/page_outcome", "SEARCH r USING INDEX sqlite_autoindex_run_1 (tenant=? AND id=?)"),
        ("backfill/get", "SEARCH b USING INDEX sqlite_autoindex_backfill_1 (tenant=? AND id=?)"),
        ("backfill/get", "SEARCH e USING INDEX sqlite_autoindex_backfill_end_1 (tenant=? AND id=?)"),
        ("backfill/page", "SEARCH b USING INDEX backfill_page (tenant=? AND seq<?)"),
        ("backfill/page", "SEARCH e USING INDEX sqlite_autoindex_backfill_end_1 (tenant=? AND id=?)"),
        ("backfill_end/remove", "SEARCH e USING COVERING INDEX backfill_end_at (tenant=? AND at<?)"),
        ("backfill/remove", "SEARCH backfill USING INDEX sqlite_autoindex_backfill_1 (tenant=? AND id=?)"),
        ("run_end/remove", "SEARCH e USING COVERING INDEX run_end_at (tenant=? AND at<?)"),
        ("run/remove", "SEARCH run USING INDEX sqlite_autoindex_run_1 (tenant=? AND id=?)"),
        ("log_chunk/page", "SEARCH log_chunk USING INDEX sqlite_autoindex_log_chunk_1"),
        ("job/rotate_walk", "SEARCH j USING INDEX sqlite_autoindex_job_1 (tenant=? AND id>? AND id<?)"),
        ("job/rotate_walk", "SEARCH d USING PRIMARY KEY (tenant=? AND job=?)"),
        ("log_chunk/remove", "SEARCH log_chunk USING INDEX sqlite_autoindex_log_chunk_1 (tenant=? AND job=?)"),
        ("artifact/remove", "artifact_job (tenant=? AND job=?)"),
        ("rollup/list", "SEARCH rollup USING PRIMARY KEY (tenant=? AND hour>?)"),
    ] {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", texts[name])).expect("it is prepared");
        let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
        let lines: Vec<String> = explain
            .query_map(rusqlite::params_from_iter(nulls), |row| row.get(3))
            .expect("it is explained")
            .collect::<Result<_, _>>()
            .expect("plans are text");
        let plan = lines.join("\n");
        assert!(plan.contains(must), "{name} lacks {must}:\n{plan}");
        for table in [
            "SCAN job",
            "SCAN done",
            "SCAN history",
            "SCAN run",
            "SCAN run_end",
            "SCAN j",
            "SCAN d",
            "SCAN r",
            "SCAN e",
        ] {
            assert!(
                !lines.iter().any(|line| line == table || line.starts_with(&format!("{table} "))),
                "{name}:\n{plan}"
            );
        }
    }
}
