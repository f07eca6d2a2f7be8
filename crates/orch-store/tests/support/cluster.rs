//! PostgreSQL for tests: the one that `ORCH_TEST_POSTGRES_URL` names, or a cluster of this test binary's own.
//!
//! The own cluster is stopped by its keeper, a shell that waits for the end of its input: whatever way the test
//! binary ends, the cluster and its folder go.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// initdb and start in a folder of its own; "ready" with the folder's name; stop when the input ends.
const KEEPER: &str = r#"
set -eu
dir=$(mktemp -d /tmp/orch-test-pg.XXXXXX)
trap '"$1"/pg_ctl -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
trap '' INT TERM
"$1"/initdb -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
"$1"/pg_ctl -D "$dir/data" -l "$dir/log" -w -o "-k $dir -h '' -F -c max_connections=300 -c shared_buffers=64MB" start >/dev/null
echo "ready $dir"
cat >/dev/null
"#;

struct Cluster {
    url: String,
    /// Its input closes when this process ends.
    _keeper: Option<Child>,
}

static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

fn cluster() -> Option<&'static Cluster> {
    CLUSTER.get_or_init(find_cluster).as_ref()
}

fn find_cluster() -> Option<Cluster> {
    if let Ok(url) = std::env::var("ORCH_TEST_POSTGRES_URL") {
        return Some(Cluster { url, _keeper: None });
    }
    let required = std::env::var("ORCH_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.contains("postgres"), "PostgreSQL is required, but ORCH_TEST_POSTGRES_URL is not set");
    if !Path::new(BIN).join("initdb").exists() {
        eprintln!("SKIPPED: no PostgreSQL: neither ORCH_TEST_POSTGRES_URL nor {BIN}");
        return None;
    }
    Some(start())
}

fn start() -> Cluster {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    let mut command = if root { Command::new("runuser") } else { Command::new("sh") };
    if root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    let mut keeper = command
        .args(["-c", KEEPER, "keeper", BIN])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell starts");
    let mut line = String::new();
    BufReader::new(keeper.stdout.take().expect("its output is piped")).read_line(&mut line).expect("it says something");
    let folder = line.trim().strip_prefix("ready ").expect("the cluster starts");
    Cluster { url: format!("postgres:///postgres?host={folder}&user=postgres"), _keeper: Some(keeper) }
}

/// A session on the maintenance database.
async fn maintenance(cluster: &Cluster) -> PgConnection {
    let options: sqlx::postgres::PgConnectOptions = cluster.url.parse().expect("the URL is one");
    options.disable_statement_logging().connect().await.expect("the cluster answers")
}

/// The URL of a database of the test's own, empty; `None` (and said so) where there is no PostgreSQL.
pub async fn database() -> Option<String> {
    let cluster = tokio::task::spawn_blocking(cluster).await.expect("the cluster starts")?;
    let name = format!("orch_test_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut session = maintenance(cluster).await;
    session
        .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))))
        .await
        .expect("an old database goes");
    session
        .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))))
        .await
        .expect("a database is made");
    session.close().await.expect("a session ends");
    Some(with_database(&cluster.url, &name))
}

/// The URL with another database's name.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, String::new()), |(a, q)| (a, format!("?{q}")));
    let scheme = address.find("://").map_or(0, |at| at + 3);
    let base = address[scheme..].find('/').map_or(address, |at| &address[..scheme + at]);
    format!("{base}/{name}{query}")
}
