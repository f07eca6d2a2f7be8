//! Opening a ledger: migrations, refusals by name, and the blob stores.

use std::sync::Arc;

use bytes::Bytes;
use orch_core::ids::{JobId, TenantNo};
use orch_core::port::{BlobStore, FiringPageParams, Ledger, StoreError};
use orch_store::FolderBlobs;
use orch_store::postgres::{PostgresLedger, PostgresOptions};
use orch_store::sqlite::SqliteLedger;
use sqlx::{Connection, Executor, PgConnection};

#[path = "support/cluster.rs"]
mod cluster;

fn refused<T>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Refused(text)) => text,
        Err(other) => panic!("refused otherwise: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_migrated_once_and_an_empty_or_newer_schema_is_refused_by_name() {
    let Some(url) = cluster::database().await else { return };
    let connect = async || PostgresLedger::connect(&url, PostgresOptions::default()).await;
    assert!(refused(connect().await).contains("run `orch migrate`"));
    let applied = PostgresLedger::migrate(&url).await.expect("an empty database is migrated");
    assert_eq!(applied.first().map(String::as_str), Some("0001_ownership"));
    assert_eq!(PostgresLedger::migrate(&url).await.expect("a second run is no error"), Vec::<String>::new());
    connect().await.expect("a migrated database opens");
    let mut session = PgConnection::connect(&url).await.expect("the database answers");
    session
        .execute("INSERT INTO orchestrator.schema_migration VALUES (99, 'from_the_future', 0)")
        .await
        .expect("a row is written");
    assert!(refused(connect().await).contains("0099 `from_the_future`"));
    assert!(refused(PostgresLedger::migrate(&url).await).contains("`from_the_future`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_at_the_same_time_run_one_after_the_other() {
    let Some(url) = cluster::database().await else { return };
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { PostgresLedger::migrate(&url).await })
        })
        .collect();
    let mut applied = 0;
    for run in runs {
        applied += usize::from(!run.await.expect("it does not panic").expect("it is migrated").is_empty());
    }
    assert_eq!(applied, 1);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_available_and_a_url_that_is_none_is_refused() {
    let options = PostgresOptions::default();
    let nobody = PostgresLedger::connect("postgres://nobody@127.0.0.1:1/none", options).await;
    assert!(matches!(nobody, Err(StoreError::Unavailable(_))));
    refused(PostgresLedger::connect("no url", options).await);
}

#[test]
fn a_sqlite_file_in_use_is_refused_by_the_name_of_its_process_and_free_afterwards() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("orch.db");
    let first = SqliteLedger::open(&path).expect("the file opens");
    assert!(refused(SqliteLedger::open(&path)).contains(&format!("process {}", std::process::id())));
    let link = folder.path().join("other.db");
    std::os::unix::fs::symlink(&path, &link).expect("a link is made");
    refused(SqliteLedger::open(&link));
    drop(first);
    SqliteLedger::open(&link).expect("it is free");
}

#[test]
fn a_newer_or_foreign_sqlite_file_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("orch.db");
    drop(SqliteLedger::open(&path).expect("the file opens"));
    let connection = rusqlite::Connection::open(&path).expect("the file opens");
    connection.execute("INSERT INTO schema_migration VALUES (99, 'from_the_future', 0)", []).expect("a row is written");
    drop(connection);
    assert!(refused(SqliteLedger::open(&path)).contains("0099 `from_the_future`"));
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, but it is long enough to be looked at".repeat(100))
        .expect("it is written");
    refused(SqliteLedger::open(&text));
    refused(SqliteLedger::open(folder.path().join("no/such/folder/orch.db")));
}

/// The migrations of a dialect below a number, in order: number, name, text.
fn migrations_below(dialect: &str, number: i32) -> Vec<(i32, String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(dialect);
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|file| {
            let file = file.expect("it is readable").path();
            let name = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
            let (of, name) = name.split_once('_').expect("its name begins with its number");
            let text = std::fs::read_to_string(&file).expect("it is text");
            (of.parse().expect("it is a number"), name.to_owned(), text)
        })
        .filter(|(of, ..)| *of < number)
        .collect();
    found.sort();
    found
}

/// Two firings as they were before runs.
const OLD_FIRINGS: &str = "INSERT INTO firing (tenant, schedule, nominal_at, last_at, count, at, job, cause) VALUES
    (7, 'feed', 1, 1, 1, 2, 'JOB', NULL), (7, 'feed', 3, 4, 2, 5, NULL, 'overlap')";

async fn old_firings_are_there(ledger: &dyn Ledger) {
    let params = FiringPageParams { schedule: "feed".to_owned(), before: None, limit: 9 };
    let found = ledger.firing_page(TenantNo(7), &params).await.expect("firings are read");
    let found: Vec<_> = found.iter().map(|row| (row.count, row.job, row.run, row.cause.as_deref())).collect();
    assert_eq!(found, [(2, None, None, Some("overlap")), (1, Some(JobId(uuid::Uuid::from_u128(9))), None, None)]);
}

#[tokio::test]
async fn firings_of_a_sqlite_file_from_before_runs_are_kept() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("orch.db");
    let connection = rusqlite::Connection::open(&path).expect("the file opens");
    connection.execute_batch(include_str!("../sql/sqlite/migration/begin.sql")).expect("the table is made");
    for (number, name, text) in migrations_below("sqlite", 12) {
        connection.execute_batch(&text).expect("it is applied");
        connection
            .execute(include_str!("../sql/sqlite/migration/insert.sql"), rusqlite::params![number, name])
            .expect("it is recorded");
    }
    let job = format!("x'{}'", uuid::Uuid::from_u128(9).simple());
    connection.execute_batch(&OLD_FIRINGS.replace("'JOB'", &job)).expect("rows are written");
    drop(connection);
    old_firings_are_there(&SqliteLedger::open(&path).expect("the file opens")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn firings_of_a_postgres_from_before_runs_are_kept() {
    let Some(url) = cluster::database().await else { return };
    let mut session = PgConnection::connect(&url).await.expect("the database answers");
    session.execute(include_str!("../sql/postgres/migration/begin.sql")).await.expect("the table is made");
    for (number, name, text) in migrations_below("postgres", 12) {
        session.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text))).await.expect("it is applied");
        sqlx::query(include_str!("../sql/postgres/migration/insert.sql"))
            .bind(number)
            .bind(name)
            .execute(&mut session)
            .await
            .expect("it is recorded");
    }
    let rows = OLD_FIRINGS.replace("JOB", &uuid::Uuid::from_u128(9).to_string());
    session.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(rows))).await.expect("rows are written");
    PostgresLedger::migrate(&url).await.expect("it is migrated");
    let ledger = PostgresLedger::connect(&url, PostgresOptions::default()).await.expect("the database opens");
    old_firings_are_there(&ledger).await;
}

async fn blobs_keep_bytes_by_tenant_and_digest(blobs: Arc<dyn BlobStore>) {
    let (one, two) = (TenantNo(1), TenantNo(2));
    let sizes = [0, 1, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 3 << 20];
    for (n, size) in sizes.into_iter().enumerate() {
        let digest = format!("{n:064x}");
        let bytes =
            Bytes::from((0..size).map(|at| u8::try_from((at * 7 + n) % 251).expect("small")).collect::<Vec<_>>());
        assert_eq!(blobs.blob_get(one, &digest).await.expect("it is looked up"), None);
        for _ in 0..2 {
            blobs.blob_put(one, &digest, "text/plain", bytes.clone()).await.expect("it is kept, twice too");
        }
        let kept = blobs.blob_get(one, &digest).await.expect("it is looked up");
        assert_eq!(kept, Some(("text/plain".to_owned(), bytes)), "{size} bytes");
        assert_eq!(blobs.blob_get(two, &digest).await.expect("it is looked up"), None);
    }
    for odd in ["", "../../etc/passwd", "ABCDEF", &"g".repeat(64)] {
        assert_eq!(blobs.blob_get(one, odd).await.expect("it is looked up"), None);
    }
}

#[tokio::test]
async fn a_folder_keeps_blobs() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let blobs = FolderBlobs::open(folder.path().join("blobs")).expect("the folder opens");
    let odd = blobs.blob_put(TenantNo(1), "../x", "text/plain", Bytes::new()).await;
    assert!(matches!(odd, Err(StoreError::Corrupt(_))));
    blobs_keep_bytes_by_tenant_and_digest(Arc::new(blobs)).await;
    let parts = walk(folder.path()).into_iter().filter(|name| name.ends_with(".part")).count();
    assert_eq!(parts, 0, "no half-written file stays");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it is readable") {
        let path = entry.expect("it is readable").path();
        if path.is_dir() {
            names.extend(walk(&path));
        } else {
            names.push(path.to_string_lossy().into_owned());
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_blobs() {
    let Some(url) = cluster::database().await else { return };
    PostgresLedger::migrate(&url).await.expect("an empty database is migrated");
    let ledger = PostgresLedger::connect(&url, PostgresOptions::default()).await.expect("the database opens");
    blobs_keep_bytes_by_tenant_and_digest(Arc::new(ledger.blobs())).await;
}
