//! The processes that serve a ledger, and the shards that they share out. For administrators of the platform.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::transport::{Call, segment};

/// A node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeOut {
    /// Its id: one boot of one process.
    pub id: String,
    /// Where other nodes reach it.
    #[serde(default)]
    pub address: String,
    /// `alive`, `draining` or `gone`.
    #[serde(default)]
    pub state: String,
    /// The shards that it owns.
    #[serde(default)]
    pub shards: Vec<u16>,
    /// For how many milliseconds it counts as alive unless it renews.
    #[serde(default)]
    pub alive_ms: u64,
    /// It is the one that answered.
    #[serde(default)]
    pub answers: bool,
}

/// A shard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShardOut {
    /// Its number.
    pub shard: u16,
    /// The node that owns it, alive or not.
    #[serde(default)]
    pub owner: Option<String>,
    /// Take-overs so far.
    #[serde(default)]
    pub epoch: u64,
    /// The node that an operator wants it on.
    #[serde(default)]
    pub wanted_on: Option<String>,
    /// Tenants that live on it.
    #[serde(default)]
    pub tenants: u64,
}

/// Calls about nodes.
#[derive(Debug, Clone, Copy)]
pub struct Nodes<'a>(pub(crate) &'a Client);

impl Nodes<'_> {
    /// Those that are alive, or were within the last minute.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self) -> Result<Vec<NodeOut>, Error> {
        self.0.pages("/nodes").await
    }

    /// Drains a node: it gives its shards to the others and takes none.
    ///
    /// # Errors
    /// Any; `not_found` for one that is not alive.
    pub async fn drain(&self, node: &str) -> Result<(), Error> {
        self.mark(node, "drain").await
    }

    /// Lets a node that was drained take shards again.
    ///
    /// # Errors
    /// Any; `not_found` for one that is not alive.
    pub async fn undrain(&self, node: &str) -> Result<(), Error> {
        self.mark(node, "undrain").await
    }

    async fn mark(&self, node: &str, act: &str) -> Result<(), Error> {
        let call = Call::post(format!("/nodes/{}/{act}", segment(node))).repeatable();
        self.0.call::<serde_json::Value>(call).await.map(drop)
    }
}

/// Calls about shards.
#[derive(Debug, Clone, Copy)]
pub struct Shards<'a>(pub(crate) &'a Client);

impl Shards<'_> {
    /// All of them.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self) -> Result<Vec<ShardOut>, Error> {
        self.0.pages("/shards").await
    }

    /// Moves a shard to a node. The answer comes at once; the list tells when it has arrived.
    ///
    /// # Errors
    /// Any; `state_conflict` for a node that is not alive.
    pub async fn send(&self, shard: u16, node: &str) -> Result<(), Error> {
        let call = Call::post(format!("/shards/{shard}/move")).json(&json!({ "node": node }))?.repeatable();
        self.0.call::<serde_json::Value>(call).await.map(drop)
    }

    /// Gives a shard to the live node that has fewest, other than its owner.
    ///
    /// # Errors
    /// Any; `state_conflict` when there is no other.
    pub async fn drain(&self, shard: u16) -> Result<(), Error> {
        let call = Call::post(format!("/shards/{shard}/drain"));
        self.0.call::<serde_json::Value>(call).await.map(drop)
    }
}
