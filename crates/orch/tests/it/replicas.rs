//! `migrate` and `serve` on PostgreSQL: bootstrap once, one owner, a standby that takes over. Needs
//! `ORCH_TEST_POSTGRES_URL`; says so where that is missing.

use std::io::BufReader;
use std::process::{Child, ChildStdout, Command};
use std::time::Duration;

use orch_client::{Client, HealthStatus, JobIn, JobType};
use serde_json::Value;
use sqlx::{Connection as _, Executor as _};

use crate::server::{ORCH, orch, spawn_ready};

/// An empty database of the test's own.
struct Database {
    server: String,
    name: String,
    url: String,
}

impl Database {
    async fn make() -> Option<Self> {
        let Ok(server) = std::env::var("ORCH_TEST_POSTGRES_URL") else {
            println!("skipped: ORCH_TEST_POSTGRES_URL is not set");
            return None;
        };
        let name = format!("orch_cli_{}", uuid::Uuid::now_v7().simple());
        let (address, query) = server.split_once('?').map_or((server.as_str(), None), |(a, q)| (a, Some(q)));
        let base = address.rsplit_once('/').map_or(address, |(base, _)| base);
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{base}/{name}{query}");
        let database = Self { server, name, url };
        database.run("CREATE DATABASE").await;
        Some(database)
    }

    async fn run(&self, what: &str) {
        let force = if what.starts_with("DROP") { " WITH (FORCE)" } else { "" };
        let mut connection = sqlx::PgConnection::connect(&self.server).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(format!("{what} {}{force}", self.name))).await.unwrap();
    }

    fn migrate(&self, more: &[&str]) -> (i32, Value) {
        let arguments = [&["migrate", "--json"], more].concat();
        let outcome = orch(&arguments, &[("ORCH_DATABASE", &self.url)]);
        (outcome.code, serde_json::from_str(&outcome.out).unwrap_or(Value::Null))
    }
}

/// A running `orch serve`. Dropping it kills it.
struct Replica {
    child: Child,
    _out: BufReader<ChildStdout>,
    address: String,
    role: String,
}

impl Replica {
    fn start(database: &Database) -> Self {
        let mut command = Command::new(ORCH);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0"]).env("ORCH_DATABASE", &database.url);
        let (child, out, ready) = spawn_ready(command);
        let text = |member: &str| ready[member].as_str().unwrap().to_owned();
        Self { child, _out: out, address: text("address"), role: text("role") }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrapped_database_is_served_by_one_owner_and_taken_over_by_the_standby() {
    let Some(database) = Database::make().await else { return };
    let early = orch(&["serve", "--listen", "127.0.0.1:0"], &[("ORCH_DATABASE", &database.url)]);
    assert_eq!(early.code, 1);
    assert!(early.err.contains("run `orch migrate`"), "{}", early.err);

    let (code, made) = database.migrate(&["--bootstrap"]);
    let token = made["token"].as_str().expect("the first token is shown").to_owned();
    assert!(code == 0 && !made["applied"].as_array().unwrap().is_empty(), "{made}");
    let (code, again) = database.migrate(&["--bootstrap"]);
    assert_eq!((code, &again["token"], &again["tenant"]), (0, &Value::Null, &made["tenant"]));

    let mut owner = Replica::start(&database);
    let standby = Replica::start(&database);
    assert_eq!((owner.role.as_str(), standby.role.as_str()), ("owner", "standby"));
    let alone = Client::builder().address(&standby.address).build().unwrap();
    assert_eq!(alone.health().await.unwrap().status, HealthStatus::Standby);

    let both = Client::builder().address(&standby.address).address(&owner.address).token(token).build().unwrap();
    both.job_types().create(&JobType::new("work")).await.unwrap();
    let job = both.jobs().create(&JobIn::new("work", &1).unwrap(), None).await.unwrap();
    owner.kill();
    let found = tokio::time::timeout(Duration::from_secs(20), both.jobs().get(&job.id)).await.expect("it takes over");
    assert_eq!(found.unwrap().id, job.id);
    both.jobs().create(&JobIn::new("work", &2).unwrap(), None).await.unwrap();
    assert_eq!(alone.health().await.unwrap().status, HealthStatus::Ok);
    drop(standby);
    database.run("DROP DATABASE").await;
}
