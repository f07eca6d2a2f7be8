//! Replicas on one database, each at an address that it keeps over its deaths, and tenants, of which each shard has as
//! many.

use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use orch_bench::{clock, postgres};
use orch_client::{Client, JobType, NodeOut};

use crate::job::{HELD_TYPE, JOB_TYPE, RARE_TYPE};
use crate::place::Place;
use crate::site::http::server::{Listening, Server, bootstrap};
use crate::site::http::token;

/// Below the ports that clients are given, so that nobody takes a dead replica's.
const PORTS: Range<u16> = 20_000..30_000;
/// More tenants than that are not needed for some on each shard.
const TENANTS_MAX: usize = 200;
/// How long a lease lasts.
const LEASE_MS: u64 = 30_000;
/// How often a lease may be lost: more often than replicas are killed.
const LOST_MAX: u32 = 100;
/// How long replicas may take until each has its share.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);
/// The job type of probes.
pub const PROBE_TYPE: &str = RARE_TYPE;

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Replicas that share the ledger out.
    pub replicas: usize,
    /// Shards of the ledger: as many for each replica.
    pub shards: u16,
    /// Tenants on each shard.
    pub tenants_per_shard: usize,
}

/// Replicas, and the tenants of their ledger.
pub struct Cluster {
    form: Form,
    program: PathBuf,
    token: String,
    workers: String,
    addresses: Vec<String>,
    replicas: Vec<Option<Server>>,
    tenants: Vec<Tenant>,
}

/// A tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// The shard that it lives on.
    pub shard: u16,
    /// Its token, which may do everything in it.
    pub token: String,
}

impl Cluster {
    /// Starts the replicas on an empty place, waits until each has its share, and makes tenants.
    pub async fn open(place: &Place, program: &Path, form: Form) -> Result<Self> {
        let replicas = form.replicas;
        let token = bootstrap(program, url(place)?)?;
        let addresses = free_ports(replicas).into_iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let mut cluster = Self {
            form,
            program: program.to_owned(),
            token,
            workers: String::new(),
            addresses,
            replicas: (0..replicas).map(|_| None).collect(),
            tenants: Vec::new(),
        };
        for replica in 0..replicas {
            cluster.start(place, replica)?;
        }
        cluster.settled().await?;
        cluster.make_tenants(place).await?;
        Ok(cluster)
    }

    /// Starts a replica that does not run.
    pub fn start(&mut self, place: &Place, replica: usize) -> Result<()> {
        self.start_off(place, replica, None)
    }

    /// The same with a wall clock that is off.
    pub fn start_off(&mut self, place: &Place, replica: usize, clock: Option<(&str, &str)>) -> Result<()> {
        let address = self.addresses[replica].trim_start_matches("http://");
        let (log, shards) = (format!("server-{replica}.log"), self.form.shards.to_string());
        let how = Listening { address, log: &log, arguments: &["--shards", &shards], clock };
        self.replicas[replica] = Some(Server::start_at(place, &self.program, Some(self.token.clone()), how)?);
        Ok(())
    }

    /// Kills one (-9).
    pub fn kill(&mut self, replica: usize) {
        drop(self.replicas[replica].take());
    }

    /// Ends one in order.
    pub async fn end(&mut self, replica: usize) -> Result<()> {
        if let Some(replica) = self.replicas[replica].take() {
            replica.stop().await?;
        }
        Ok(())
    }

    /// Ends all in order.
    pub async fn stop(&self) -> Result<()> {
        for replica in self.replicas.iter().flatten() {
            replica.stop().await?;
        }
        Ok(())
    }

    /// How many there are, the dead one included.
    pub fn size(&self) -> usize {
        self.replicas.len()
    }

    /// The processes of the living ones.
    pub fn pids(&self) -> Vec<u32> {
        self.replicas.iter().flatten().map(Server::pid).collect()
    }

    /// The tenants.
    pub fn tenants(&self) -> &[Tenant] {
        &self.tenants
    }

    /// A client that knows all replicas, and begins with this one.
    pub fn client(&self, token: &str, first: usize) -> Result<Client> {
        let order = (0..self.size()).map(|step| (first + step) % self.size());
        self.client_of(token, order)
    }

    /// A client that knows all replicas but one.
    pub fn client_without(&self, token: &str, replica: usize) -> Result<Client> {
        self.client_of(token, (1..self.size()).map(|step| (replica + step) % self.size()))
    }

    /// A client that may declare what holds for all tenants.
    pub async fn platform(&self) -> Result<Client> {
        let admin = self.client(&self.token, 0)?;
        let token = token(&admin, "system", &["orch:operate", "orch:read"]).await?;
        self.client(&token, 0)
    }

    /// A client for workers of all tenants, which begins with this replica.
    pub fn worker(&self, first: usize) -> Result<Client> {
        self.client(&self.workers, first)
    }

    fn client_of(&self, token: &str, replicas: impl Iterator<Item = usize>) -> Result<Client> {
        let addresses = replicas.map(|replica| self.addresses[replica].as_str());
        let builder = addresses.fold(Client::builder(), |builder, address| builder.address(address));
        Ok(builder.token(token).build()?)
    }

    /// Waits until every living replica has an equal share of the shards; returns which has which.
    pub async fn settled(&self) -> Result<Vec<Vec<u16>>> {
        let admin = self.client(&self.token, 0)?;
        let living = self.replicas.iter().flatten().count();
        let shards = self.form.shards;
        let began = clock::now();
        loop {
            let nodes = admin.nodes().list().await?;
            let alive: Vec<_> = nodes.into_iter().filter(|node| node.state == "alive").collect();
            if alive.len() == living && alive.iter().all(|node| node.shards.len() == usize::from(shards) / living) {
                return Ok(self.addresses.iter().map(|address| shards_at(&alive, address)).collect());
            }
            let shares: Vec<_> = alive.iter().map(|node| node.shards.len()).collect();
            ensure!(began.elapsed() < SETTLE_MAX, "{living} replicas have {shares:?} of {shards} shards");
            clock::pause(LOOK).await;
        }
    }

    /// Makes tenants until there are enough on each shard, and keeps as many of each.
    async fn make_tenants(&mut self, place: &Place) -> Result<()> {
        let admin = self.client(&self.token, 0)?;
        self.workers = token(&admin, "system", &["orch:worker"]).await?;
        let mut ledger = postgres::connect(url(place)?).await?;
        let wanted = self.form.tenants_per_shard;
        let mut found = vec![Vec::new(); usize::from(self.form.shards)];
        for number in 0.. {
            if found.iter().all(|tenants: &Vec<Tenant>| tenants.len() == wanted) {
                break;
            }
            ensure!(number < TENANTS_MAX, "{TENANTS_MAX} tenants leave a shard without");
            let name = format!("bench-{number}");
            admin.tenants().create(&name).await?;
            let query = "SELECT shard FROM orchestrator.tenant WHERE name = $1";
            let shard: i32 = sqlx::query_scalar(query).bind(&name).fetch_one(&mut ledger).await?;
            let there = found.get_mut(usize::try_from(shard)?).context("a tenant lives on one of the shards")?;
            if there.len() < wanted {
                let scopes = ["orch:submit", "orch:operate", "orch:read", "orch:worker"];
                let token = token(&admin, &name, &scopes).await?;
                self.declare(&token).await?;
                there.push(Tenant { name, shard: u16::try_from(shard)?, token });
            }
        }
        self.tenants = found.into_iter().flatten().collect();
        Ok(())
    }

    async fn declare(&self, token: &str) -> Result<()> {
        let client = self.client(token, 0)?;
        for name in [JOB_TYPE, HELD_TYPE, PROBE_TYPE] {
            let job_type = JobType { lease_ms: Some(LEASE_MS), lost_max: Some(LOST_MAX), ..JobType::new(name) };
            client.job_types().create(&job_type).await?;
        }
        Ok(())
    }
}

/// How to reach the database.
pub fn url(place: &Place) -> Result<&str> {
    match place {
        Place::Postgres(database) => Ok(database.url()),
        Place::Sqlite(_) => bail!("replicas need PostgreSQL"),
    }
}

fn shards_at(nodes: &[NodeOut], address: &str) -> Vec<u16> {
    let there = nodes.iter().filter(|node| node.address.trim_end_matches('/') == address);
    there.flat_map(|node| node.shards.iter().copied()).collect()
}

/// Ports on which nobody listens.
fn free_ports(count: usize) -> Vec<u16> {
    let first = PORTS.start + u16::try_from(std::process::id() % u32::from(PORTS.end - PORTS.start)).unwrap_or(0);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..PORTS.end).chain(PORTS.start..first).filter(free).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ() {
        let ports = free_ports(3);
        assert!(ports.len() == 3 && ports[0] != ports[1] && ports[1] != ports[2], "{ports:?}");
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }
}
