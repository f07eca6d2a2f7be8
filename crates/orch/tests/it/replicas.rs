//! `migrate` and `serve` on PostgreSQL: bootstrap once, one owner, a standby that takes over. Needs
//! `ORCH_TEST_POSTGRES_URL`; says so where that is missing.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::process::{Child, ChildStdout, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orch_client::{
    Client, Done, HealthStatus, JobContext, JobIn, JobState, JobType, NodeOut, ShardOut, TokenIn, Worker,
};
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
            println!("SKIPPED: ORCH_TEST_POSTGRES_URL is not set");
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
        Self::with_shards(database, 1)
    }

    fn with_shards(database: &Database, shards: u16) -> Self {
        let mut command = Command::new(ORCH);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0"]).env("ORCH_DATABASE", &database.url);
        command.env("ORCH_SHARDS", shards.to_string());
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
    let alone = Client::builder().address(&standby.address).token(token).build().unwrap();
    let health = alone.health().await.unwrap();
    assert_eq!((health.status, &health.role), (HealthStatus::Ok, &Value::from("standby")), "it passes calls on");
    alone.job_types().create(&JobType::new("work")).await.unwrap();
    let job = alone.jobs().create(&JobIn::new("work", &1).unwrap(), None).await.unwrap();
    owner.kill();
    let found = tokio::time::timeout(Duration::from_secs(20), alone.jobs().get(&job.id)).await.expect("it takes over");
    assert_eq!(found.unwrap().id, job.id);
    alone.jobs().create(&JobIn::new("work", &2).unwrap(), None).await.unwrap();
    assert_eq!(alone.health().await.unwrap().role, "owner");
    drop(standby);
    database.run("DROP DATABASE").await;
}

const SHARDS: u16 = 6;
const TENANTS: usize = 8;
const JOBS: usize = 150;

#[expect(clippy::disallowed_methods, reason = "other processes' states can only be looked at again")]
async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// The nodes' loads once all shards have live owners and `settled` holds of them.
async fn spread(client: &Client, settled: impl Fn(&[NodeOut], &[ShardOut]) -> bool) -> Vec<NodeOut> {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let (nodes, shards) = (client.nodes().list().await.unwrap(), client.shards().list().await.unwrap());
            let alive: Vec<_> = nodes.into_iter().filter(|node| node.state != "gone").collect();
            let owned = |shard: &ShardOut| alive.iter().any(|node| shard.owner.as_ref() == Some(&node.id));
            if shards.len() == usize::from(SHARDS) && shards.iter().all(owned) && settled(&alive, &shards) {
                return alive;
            }
            pause(50).await;
        }
    });
    waited.await.expect("the shards settle")
}

fn even(nodes: &[NodeOut], _: &[ShardOut]) -> bool {
    nodes.iter().all(|node| node.shards.len() == usize::from(SHARDS) / nodes.len())
}

/// Shards are shared out evenly, any replica serves any tenant, a worker for all tenants gets the work of all shards,
/// and neither a move nor a drain nor a death of a replica loses a job or completes one twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_shards_and_any_of_them_serves_any_tenant() {
    let Some(database) = Database::make().await else { return };
    let (_, made) = database.migrate(&["--bootstrap"]);
    let token = made["token"].as_str().unwrap().to_owned();
    let mut replicas: Vec<_> = (0..3).map(|_| Replica::with_shards(&database, SHARDS)).collect();
    let admin = Client::builder().address(&replicas[0].address).token(token).build().unwrap();
    let nodes = spread(&admin, |nodes, shards| nodes.len() == 3 && even(nodes, shards)).await;

    // Each tenant by a client of another replica.
    let at = |n: usize, token: &str| Client::builder().address(&replicas[n % 3].address).token(token).build().unwrap();
    let mut tenants = BTreeMap::new();
    for n in 0..TENANTS {
        let name = format!("tenant-{n}");
        admin.tenants().create(&name).await.unwrap();
        let scopes = ["orch:read", "orch:submit", "orch:operate"].map(str::to_owned).to_vec();
        let token = TokenIn { name: name.clone(), scopes, tenant: Some(name.clone()), expires_at: None };
        let client = at(n, &admin.tokens().create(&token).await.unwrap().secret.unwrap());
        client.job_types().create(&JobType::new("work")).await.unwrap();
        tenants.insert(name, client);
    }
    let living = admin.shards().list().await.unwrap();
    assert!(living.iter().filter(|shard| shard.tenants > 0).count() >= 3, "tenants are spread: {living:?}");

    let scopes = vec!["orch:worker".to_owned()];
    let platform = TokenIn { name: "w".into(), scopes, tenant: Some("system".into()), expires_at: None };
    let secret = admin.tokens().create(&platform).await.unwrap().secret.unwrap();
    let handled = Arc::new(AtomicU64::new(0));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let workers: Vec<_> = (0..2)
        .map(|n| {
            // A worker knows all replicas, as one does that wants to outlive one of them.
            let order = [n, n + 1, n + 2].map(|n| replicas[n % 3].address.clone());
            let client = order.iter().fold(Client::builder(), |builder, address| builder.address(address));
            let (handled, mut stopped) = (Arc::clone(&handled), stopped.clone());
            let worker = Worker::builder(client.token(&secret).build().unwrap()).worker_id(format!("w{n}"));
            let worker = worker.capacity(20).handler("work", move |_: JobContext, _: Value| {
                handled.fetch_add(1, Ordering::Relaxed);
                async { Ok(Done::empty()) }
            });
            tokio::spawn(async move {
                let ended = async { drop(stopped.wait_for(|stop| *stop).await) };
                worker.build().run(ended).await
            })
        })
        .collect();

    let submit = async |jobs: usize| {
        for client in tenants.values() {
            let batch = vec![JobIn::new("work", &1).unwrap(); jobs];
            client.jobs().create_batch(&batch, Some(&format!("batch-{jobs}"))).await.unwrap();
        }
    };
    submit(JOBS).await;
    // A move by hand, to a node that has its share already.
    let shard = admin.shards().list().await.unwrap().into_iter().find(|shard| shard.tenants > 0).unwrap();
    let target = nodes.iter().find(|node| Some(&node.id) != shard.owner.as_ref()).unwrap().id.clone();
    admin.shards().send(shard.shard, &target).await.unwrap();
    submit(JOBS + 1).await;
    spread(&admin, |_, shards| shards.iter().any(|it| it.shard == shard.shard && it.owner.as_ref() == Some(&target)))
        .await;
    // A drain: that node ends with nothing, and serves on.
    admin.nodes().drain(&target).await.unwrap();
    submit(JOBS + 2).await;
    spread(&admin, |nodes, _| nodes.iter().any(|node| node.id == target && node.shards.is_empty())).await;
    admin.nodes().undrain(&target).await.unwrap();
    // A death. The tenants' clients know one replica each; those of the dead one come back with it.
    replicas[2].kill();
    let survivor = admin.nodes().list().await.unwrap();
    assert!(survivor.len() >= 2);
    spread(&admin, |nodes, shards| nodes.len() == 2 && even(nodes, shards)).await;

    let all = u64::try_from(TENANTS * (3 * JOBS + 3)).unwrap();
    let done = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let mut done = 0;
            for (n, client) in tenants.values().enumerate() {
                if n % 3 == 2 {
                    continue;
                }
                let summary = client.jobs().summary().await.unwrap();
                assert!(summary.by_type.iter().all(|row| row.state != JobState::Failed), "{summary:?}");
                let ended = summary.by_type.iter().filter(|row| row.state == JobState::Succeeded);
                done += ended.map(|row| row.jobs).sum::<u64>();
            }
            let reachable = all / TENANTS as u64 * (0..TENANTS as u64).filter(|n| n % 3 != 2).count() as u64;
            if done == reachable && handled.load(Ordering::Relaxed) >= all {
                return done;
            }
            assert!(done <= reachable, "a job was completed twice");
            pause(100).await;
        }
    });
    done.await.unwrap_or_else(|_| panic!("{} of {all} were handled", handled.load(Ordering::Relaxed)));
    stop.send_replace(true);
    for worker in workers {
        worker.await.unwrap().unwrap();
    }
    drop(replicas);
    database.run("DROP DATABASE").await;
}
