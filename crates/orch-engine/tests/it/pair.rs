//! Two nodes of one process with a shard each, and the way between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use orch_core::config::{ConfigDoc, JobType};
use orch_core::ids::TenantNo;
use orch_core::limits::NODE_LEASE_MS;
use orch_dispatch::Command;
use orch_dispatch::command::Expect;
use orch_engine::{Engine, EngineOptions, PeerError, Peers};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::world::{World, options};

/// The way between two engines of one process. It carries calls whether or not the caller still waits, as a network does.
#[derive(Clone, Default)]
pub struct Wires {
    nodes: Arc<Mutex<BTreeMap<String, Engine>>>,
    /// Where calls are told of before they arrive: they wait until they are let go.
    watched: Arc<Mutex<Option<mpsc::UnboundedSender<oneshot::Sender<()>>>>>,
}

impl Wires {
    /// From now on each call is held; they come out in the order in which they were sent.
    pub fn hold(&self) -> mpsc::UnboundedReceiver<oneshot::Sender<()>> {
        let (out, held) = mpsc::unbounded_channel();
        *self.watched.lock().unwrap() = Some(out);
        held
    }
}

#[async_trait]
impl Peers for Wires {
    async fn call(&self, address: &str, call: Vec<u8>) -> Result<Vec<u8>, PeerError> {
        let node = self.nodes.lock().unwrap().get(address).cloned();
        let node = node.ok_or_else(|| PeerError::NotSent("nobody is there".into()))?;
        let (go, gone) = oneshot::channel();
        let watched = self.watched.lock().unwrap().clone();
        let held = watched.is_some_and(|watched| watched.send(go).is_ok());
        let carried = tokio::spawn(async move {
            if held {
                let _ = gone.await;
            }
            node.answer_peer(&call).await
        });
        carried.await.map_err(|error| PeerError::Unanswered(error.to_string()))
    }
}

/// Two nodes with a shard each, and a tenant on both.
pub struct Pair {
    pub wires: Wires,
    pub near: World,
    pub other: Engine,
    /// A tenant of the other node; `near` has one of its own.
    pub far: TenantNo,
}

impl Pair {
    pub async fn start(folder: &Path) -> Self {
        let wires = Wires::default();
        let plain = options(folder);
        let start = |address: &str| {
            let engine = Engine::start(EngineOptions {
                address: address.to_owned(),
                shards: 2,
                peers: Some(Arc::new(wires.clone())),
                ..EngineOptions::new(Arc::clone(&plain.ledger), Arc::clone(&plain.blobs))
            });
            wires.nodes.lock().unwrap().insert(address.to_owned(), engine.clone());
            engine
        };
        let (near, other) = (start("near"), start("other"));
        let shared = async { assert!(near.serving().await && other.serving().await && near.settled().await) };
        timeout(Duration::from_millis(4 * NODE_LEASE_MS), shared).await.unwrap();
        // What a node sees of the others is a look old: it may serve before it sees itself.
        let here = loop {
            let shards = near.cluster().shards;
            match shards.iter().find(|row| row.owner == Some(near.node())) {
                Some(row) => break row.shard,
                None => drop(timeout(Duration::from_millis(20), std::future::pending::<()>()).await),
            }
        };
        let mut tenants = BTreeMap::new();
        for number in 0.. {
            if tenants.len() == 2 {
                break;
            }
            let row = near.create_tenant(&format!("t{number}")).await.unwrap();
            let doc = ConfigDoc::JobType(JobType::named("t"));
            near.command(Command::PutConfig { tenant: row.no, doc, expect: Expect::Any }).await.unwrap();
            tenants.insert(row.no.shard() == here, row.no);
        }
        let near = World::with_session(near, tenants[&true], TenantNo::SYSTEM).await;
        Self { wires, near, other, far: tenants[&false] }
    }

    pub async fn enqueue(&self, tenant: TenantNo) {
        let jobs = vec![self.near.job(1)];
        self.other.command(Command::Enqueue { tenant, jobs, key: None }).await.unwrap();
    }
}
