//! Who owns a shard: announcing and renewing a node, taking a shard over, giving it up.
//!
//! The only code that reads the database's clock. Renewals have a connection of their own, so that a take-over that
//! waits for a lock does not hold them up.

use std::time::Duration;

use orch_core::ids::{Incarnation, NodeId, ShardNo};
use orch_core::port::{
    Cluster, LedgerIdentity, NodeParams, NodeRow, Ownership, Renewal, ShardRow, StoreError, TakeOver,
};
use orch_core::time::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgPool, PgQueryResult};
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::session::{self, Duty, store_error};
use crate::codec::{signed, unsigned};

/// A little longer than the server's own time-outs.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(3);
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(5);
/// Another taker can win between reading the epoch and raising it, but then it is alive and holds the shard.
const TAKE_OVER_TRIES: usize = 3;

/// Connects for ownership.
pub struct Owners {
    options: PgConnectOptions,
    renewal: Mutex<Option<PgConnection>>,
}

/// Who holds a shard.
struct Holder {
    epoch: i64,
    node: Option<Uuid>,
    address: Option<String>,
    expires_at: Option<i64>,
    now: i64,
}

impl Holder {
    fn held_against(&self, node: NodeId) -> Option<TakeOver> {
        let owner = self.node.filter(|owner| *owner != node.0)?;
        let for_ms = self.expires_at? - self.now;
        (for_ms > 0).then(|| TakeOver::Held {
            node: NodeId(owner),
            address: self.address.clone().unwrap_or_default(),
            for_ms: u64::try_from(for_ms).unwrap_or(0),
        })
    }
}

impl Owners {
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options, renewal: Mutex::new(None) }
    }

    pub async fn renew(&self, params: &NodeParams) -> Result<Renewal, StoreError> {
        let mut place = self.renewal.lock().await;
        let kept = place.take();
        let was_kept = kept.is_some();
        let (connection, now, rows) = match self.try_renew(kept, params).await {
            // A kept connection may have been cut while nobody looked; renewing twice is harmless.
            Err(StoreError::Unavailable(_)) if was_kept => self.try_renew(None, params).await?,
            renewed => renewed?,
        };
        *place = Some(connection);
        let mut owned = Vec::with_capacity(rows.len());
        for (shard, epoch) in rows {
            owned.push((shard_no(shard)?, unsigned(epoch)?));
        }
        Ok(Renewal { now: Timestamp::from_millis(now), owned })
    }

    async fn try_renew(
        &self,
        kept: Option<PgConnection>,
        params: &NodeParams,
    ) -> Result<(PgConnection, i64, Vec<(i32, i64)>), StoreError> {
        let mut connection = match kept {
            Some(connection) => connection,
            None => session::open(&self.options, Duty::Renewal).await?,
        };
        let (now, rows) = session::within(RENEWAL_TIMEOUT, "a renewal", renew(&mut connection, params)).await?;
        Ok((connection, now, rows))
    }

    pub async fn take_over(&self, shard: ShardNo, node: NodeId) -> Result<TakeOver, StoreError> {
        let mut connection = session::open(&self.options, Duty::Ownership).await?;
        for _ in 0..TAKE_OVER_TRIES {
            let attempt = try_take_over(&mut connection, shard, node);
            if let Some(answer) = session::within(TAKE_OVER_TIMEOUT, "a take-over", attempt).await? {
                close(connection).await;
                return Ok(answer);
            }
        }
        Err(StoreError::Unavailable(format!("shard {} changes hands all the time", shard.0)))
    }

    pub async fn release(&self, shard: ShardNo, node: NodeId, epoch: u64) -> Result<(), StoreError> {
        let releasing = async |connection: &mut PgConnection| {
            sqlx::query(include_str!("../../sql/postgres/shard_owner/release.sql"))
                .bind(i32::from(shard.0))
                .bind(node.0)
                .bind(signed(epoch))
                .execute(connection)
                .await
        };
        self.change("a release", releasing).await.map(drop)
    }

    /// Makes the rows of the shards below `count`, and forgets nodes that are long gone.
    pub async fn make(&self, count: u16) -> Result<(), StoreError> {
        for shard in 0..count {
            self.change("making a shard", async |connection: &mut PgConnection| {
                sqlx::query(include_str!("../../sql/postgres/shard_owner/make.sql"))
                    .bind(i32::from(shard))
                    .execute(connection)
                    .await
            })
            .await?;
        }
        let forgetting = async |connection: &mut PgConnection| {
            sqlx::query(include_str!("../../sql/postgres/node/forget.sql")).execute(connection).await
        };
        self.change("forgetting nodes", forgetting).await.map(drop)
    }

    pub async fn wish(&self, shard: ShardNo, node: NodeId) -> Result<bool, StoreError> {
        let wishing = async |connection: &mut PgConnection| {
            sqlx::query(include_str!("../../sql/postgres/shard_owner/wish.sql"))
                .bind(i32::from(shard.0))
                .bind(node.0)
                .execute(connection)
                .await
        };
        Ok(self.change("a wish", wishing).await?.rows_affected() == 1)
    }

    pub async fn drain(&self, node: NodeId, draining: bool) -> Result<bool, StoreError> {
        let draining = async |connection: &mut PgConnection| {
            sqlx::query(include_str!("../../sql/postgres/node/drain.sql"))
                .bind(node.0)
                .bind(draining)
                .execute(connection)
                .await
        };
        Ok(self.change("a drain", draining).await?.rows_affected() == 1)
    }

    /// One statement on a connection of its own.
    async fn change(
        &self,
        doing: &str,
        change: impl AsyncFnOnce(&mut PgConnection) -> Result<PgQueryResult, sqlx::Error>,
    ) -> Result<PgQueryResult, StoreError> {
        let mut connection = session::open(&self.options, Duty::Ownership).await?;
        let changed = session::within(TAKE_OVER_TIMEOUT, doing, change(&mut connection)).await?;
        close(connection).await;
        Ok(changed)
    }
}

type ShardColumns = (i32, i64, Option<Uuid>, Option<Uuid>);

/// Who is there, and who owns what. Two statements: what lies between them is what every reader of it must bear.
pub async fn cluster(readers: &PgPool) -> Result<Cluster, StoreError> {
    let nodes: Vec<(Uuid, String, i64, bool)> = sqlx::query_as(include_str!("../../sql/postgres/node/list.sql"))
        .fetch_all(readers)
        .await
        .map_err(store_error)?;
    let rows: Vec<ShardColumns> = sqlx::query_as(include_str!("../../sql/postgres/shard_owner/list.sql"))
        .fetch_all(readers)
        .await
        .map_err(store_error)?;
    let node = |(node, address, for_ms, draining)| {
        Ok(NodeRow { node: NodeId(node), address, for_ms: unsigned(for_ms)?, draining })
    };
    let shard = |(shard, epoch, owner, wish): ShardColumns| {
        let (owner, wish) = (owner.map(NodeId), wish.map(NodeId));
        Ok(ShardRow { shard: shard_no(shard)?, epoch: unsigned(epoch)?, owner, wish })
    };
    Ok(Cluster {
        nodes: nodes.into_iter().map(node).collect::<Result<_, StoreError>>()?,
        shards: rows.into_iter().map(shard).collect::<Result<_, StoreError>>()?,
    })
}

pub async fn identity(readers: &PgPool) -> Result<LedgerIdentity, StoreError> {
    let (incarnation, secret): (Uuid, Vec<u8>) = sqlx::query_as(include_str!("../../sql/postgres/ledger/identity.sql"))
        .fetch_one(readers)
        .await
        .map_err(store_error)?;
    let node_secret = secret.try_into().map_err(|_| StoreError::Corrupt("the nodes' secret".to_owned()))?;
    Ok(LedgerIdentity { incarnation: Incarnation(incarnation), node_secret })
}

/// The node's row first; what it owns in a statement, and so a snapshot, of its own (see `node/renew.sql`).
async fn renew(connection: &mut PgConnection, params: &NodeParams) -> Result<(i64, Vec<(i32, i64)>), sqlx::Error> {
    let now = sqlx::query_scalar(include_str!("../../sql/postgres/node/renew.sql"))
        .bind(params.node.0)
        .bind(&params.address)
        .bind(signed(params.lease_ms))
        .fetch_one(&mut *connection)
        .await?;
    let owned = sqlx::query_as(include_str!("../../sql/postgres/shard_owner/owned.sql"))
        .bind(params.node.0)
        .fetch_all(connection)
        .await?;
    Ok((now, owned))
}

/// One transaction; `None` when another taker was faster. The caller reads the ledger only after it has committed.
async fn try_take_over(
    connection: &mut PgConnection,
    shard: ShardNo,
    node: NodeId,
) -> Result<Option<TakeOver>, sqlx::Error> {
    let mut tx = connection.begin().await?;
    let holder = holder(&mut tx, shard).await?;
    if let Some(held) = holder.held_against(node) {
        tx.rollback().await?;
        return Ok(Some(held));
    }
    sqlx::query(include_str!("../../sql/postgres/shard_owner/end_sessions.sql"))
        .bind(i32::from(shard.0))
        .bind(node.0)
        .execute(&mut *tx)
        .await?;
    if let Some(held) = lock_old_node(&mut tx, &holder, node).await? {
        tx.rollback().await?;
        return Ok(Some(held));
    }
    let taken: Option<(i64, i64, Uuid)> = sqlx::query_as(include_str!("../../sql/postgres/shard_owner/take.sql"))
        .bind(i32::from(shard.0))
        .bind(node.0)
        .bind(holder.epoch)
        .fetch_optional(&mut *tx)
        .await?;
    let Some((epoch, now, incarnation)) = taken else {
        tx.rollback().await?;
        return Ok(None);
    };
    tx.commit().await?;
    Ok(Some(TakeOver::Taken(Ownership {
        shard,
        epoch: u64::try_from(epoch).unwrap_or(0),
        now: Timestamp::from_millis(now),
        incarnation: Incarnation(incarnation),
    })))
}

async fn holder(tx: &mut PgConnection, shard: ShardNo) -> Result<Holder, sqlx::Error> {
    sqlx::query(include_str!("../../sql/postgres/shard_owner/make.sql"))
        .bind(i32::from(shard.0))
        .execute(&mut *tx)
        .await?;
    let (epoch, node, address, expires_at, now) =
        sqlx::query_as(include_str!("../../sql/postgres/shard_owner/get.sql"))
            .bind(i32::from(shard.0))
            .fetch_one(tx)
            .await?;
    Ok(Holder { epoch, node, address, expires_at, now })
}

/// Keeps the old node from renewing until the take-over is through, and looks again whether it has expired.
async fn lock_old_node(tx: &mut PgConnection, holder: &Holder, node: NodeId) -> Result<Option<TakeOver>, sqlx::Error> {
    let Some(owner) = holder.node.filter(|owner| *owner != node.0) else { return Ok(None) };
    let locked: Option<(i64, i64)> =
        sqlx::query_as(include_str!("../../sql/postgres/node/lock.sql")).bind(owner).fetch_optional(tx).await?;
    Ok(locked.and_then(|(expires_at, now)| {
        let again = Holder {
            epoch: holder.epoch,
            node: holder.node,
            address: holder.address.clone(),
            expires_at: Some(expires_at),
            now,
        };
        again.held_against(node)
    }))
}

/// The answer is known; how the goodbye goes does not matter.
async fn close(connection: PgConnection) {
    if let Err(error) = connection.close().await.map_err(store_error) {
        tracing::debug!(%error, "a connection did not close well");
    }
}

fn shard_no(number: i32) -> Result<ShardNo, StoreError> {
    u16::try_from(number).map(ShardNo).map_err(|_| StoreError::Corrupt(format!("{number} is no shard's number")))
}
