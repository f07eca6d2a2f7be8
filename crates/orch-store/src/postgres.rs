//! The ledger in PostgreSQL 15 or later, in the schema `orchestrator`.
//!
//! One connection a shard appends, one renews, take-overs open their own; only reads, rotation and blobs use pools.

mod append;
mod blobs;
mod migrate;
mod ownership;
mod pages;
mod rare;
mod reads;
mod rotate;
mod rows;
mod session;

use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;
use orch_core::block::Block;
use orch_core::config::ConfigKind;
use orch_core::ids::{BackfillId, JobId, NodeId, RunId, ShardNo, Stream, TenantNo, TokenId};
use orch_core::port::{
    Append, ArtifactRow, BackfillFound, CheckpointRow, Cluster, Commit, DeadLetterFound, DeadLetterPageParams,
    DoneCount, DoneRow, FiringPageParams, FiringRow, JobFound, JobPage, JobPageParams, KeyPlace, KeyRow, KeysRotated,
    Ledger, LedgerIdentity, LogRow, NodeParams, Renewal, RollupRow, RotateParams, Rotated, RunFound, RunPageParams,
    SnapshotRow, StoreError, TakeOver, TenantRow, TokenRow, WindowParams, WindowRow,
};
use orch_core::time::Timestamp;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPool};

pub use blobs::PostgresBlobs;

/// The statement of every commit.
pub const APPEND_COMMIT: &str = include_str!("../sql/postgres/append/commit.sql");

/// How to use a PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub struct PostgresOptions {
    /// Connections for reads of owners.
    pub readers_max: u32,
    /// Connections for reads of requests.
    pub requests_max: u32,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { readers_max: 4, requests_max: 8 }
    }
}

/// A node rotates one step at a time, uploads are few.
const KEEPERS_MAX: u32 = 3;

/// The ledger in PostgreSQL.
pub struct PostgresLedger {
    appenders: append::Appenders,
    owners: ownership::Owners,
    readers: PgPool,
    requests: PgPool,
    keepers: PgPool,
}

impl PostgresLedger {
    /// Brings the database to this build's schema. Returns the names of the migrations that were applied.
    ///
    /// # Errors
    /// `Refused` when its schema is newer than this build or a migration fails, `Unavailable` when it is not reached.
    pub async fn migrate(url: &str) -> Result<Vec<String>, StoreError> {
        migrate::migrate(&connect_options(url)?).await
    }

    /// Connects, and checks that the schema is this build's and that the wall between tenants stands.
    ///
    /// # Errors
    /// `Refused` when it is another or it does not, `Unavailable` when the database is not reached.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        Self::connect_with_commit(url, options, APPEND_COMMIT).await
    }

    /// As `connect`, with another text for the statement of every commit: so that tests can show what a weaker fence
    /// lets through.
    ///
    /// # Errors
    /// As `connect`.
    #[doc(hidden)]
    pub async fn connect_with_commit(
        url: &str,
        options: PostgresOptions,
        commit: &'static str,
    ) -> Result<Self, StoreError> {
        let connect = connect_options(url)?;
        let mut connection = session::open(&connect, session::Duty::Reader).await?;
        migrate::check(&mut connection).await?;
        session::check_walls(&mut connection).await?;
        connection.close().await.map_err(session::store_error)?;
        Ok(Self {
            appenders: append::Appenders::new(connect.clone(), commit),
            owners: ownership::Owners::new(connect.clone()),
            readers: session::pool(&connect, session::Duty::Reader, options.readers_max),
            requests: session::pool(&connect, session::Duty::Request, options.requests_max),
            keepers: session::pool(&connect, session::Duty::Keeper, KEEPERS_MAX),
        })
    }

    /// Where uploaded bytes lie in this database.
    #[must_use]
    pub fn blobs(&self) -> PostgresBlobs {
        PostgresBlobs::new(self.keepers.clone(), self.requests.clone())
    }
}

fn connect_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    PgConnectOptions::from_str(url).map_err(|source| StoreError::Refused(format!("the database's URL: {source}")))
}

#[async_trait]
impl Ledger for PostgresLedger {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn node_renew(&self, params: &NodeParams) -> Result<Renewal, StoreError> {
        self.owners.renew(params).await
    }

    async fn shard_take_over(&self, shard: ShardNo, node: NodeId) -> Result<TakeOver, StoreError> {
        self.appenders.leave(shard).await;
        self.owners.take_over(shard, node).await
    }

    async fn shard_release(&self, shard: ShardNo, node: NodeId, epoch: u64) -> Result<(), StoreError> {
        self.appenders.leave(shard).await;
        self.owners.release(shard, node, epoch).await
    }

    async fn shard_make(&self, count: u16) -> Result<(), StoreError> {
        self.owners.make(count).await
    }

    async fn shard_wish(&self, shard: ShardNo, node: NodeId) -> Result<bool, StoreError> {
        self.owners.wish(shard, node).await
    }

    async fn node_drain(&self, node: NodeId, draining: bool) -> Result<bool, StoreError> {
        self.owners.drain(node, draining).await
    }

    async fn cluster(&self) -> Result<Cluster, StoreError> {
        ownership::cluster(&self.readers).await
    }

    async fn identity(&self) -> Result<LedgerIdentity, StoreError> {
        ownership::identity(&self.readers).await
    }

    fn appends_at_once(&self) -> usize {
        append::APPENDS_AT_ONCE
    }

    async fn append(&self, append: &Append) -> Result<(), StoreError> {
        self.appenders.of(append.shard).append(append).await
    }

    async fn snapshot_get(&self, shard: ShardNo) -> Result<Option<SnapshotRow>, StoreError> {
        reads::snapshot_get(&self.readers, shard).await
    }

    async fn tail_read(&self, shard: ShardNo, after: u64, limit: usize) -> Result<Vec<Commit>, StoreError> {
        reads::tail_read(&self.readers, shard, after, limit).await
    }

    async fn window_read(&self, wishes: &[WindowParams]) -> Result<Vec<Vec<WindowRow>>, StoreError> {
        reads::window_read(&self.readers, wishes).await
    }

    async fn job_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<JobFound>, StoreError> {
        reads::job_lookup(&self.readers, tenant, ids).await
    }

    async fn done_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<DoneRow>, StoreError> {
        reads::done_lookup(&self.readers, tenant, ids).await
    }

    async fn key_lookup(
        &self,
        tenant: TenantNo,
        keys: &[[u8; 16]],
        since: Timestamp,
    ) -> Result<Vec<KeyRow>, StoreError> {
        reads::key_lookup(&self.readers, tenant, keys, since).await
    }

    async fn key_page(&self, tenant: TenantNo, from: KeyPlace, limit: usize) -> Result<Vec<[u8; 16]>, StoreError> {
        reads::key_page(&self.readers, tenant, from, limit).await
    }

    async fn checkpoint_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<CheckpointRow>, StoreError> {
        reads::checkpoint_lookup(&self.readers, tenant, ids).await
    }

    async fn block_lookup(&self, stream: Stream, seqs: &[u64]) -> Result<Vec<Block>, StoreError> {
        reads::block_lookup(&self.readers, stream, seqs).await
    }

    async fn stream_read(&self, stream: Stream, after: u64, limit: usize) -> Result<Vec<Block>, StoreError> {
        reads::stream_read(&self.readers, stream, after, limit).await
    }

    async fn job_page(&self, tenant: TenantNo, params: &JobPageParams) -> Result<JobPage, StoreError> {
        pages::job_page(&self.requests, tenant, params).await
    }

    async fn dead_letter_page(
        &self,
        tenant: TenantNo,
        params: &DeadLetterPageParams,
    ) -> Result<Vec<DeadLetterFound>, StoreError> {
        pages::dead_letter_page(&self.requests, tenant, params).await
    }

    async fn dead_letter_get(&self, tenant: TenantNo, job: JobId) -> Result<Option<DeadLetterFound>, StoreError> {
        pages::dead_letter_get(&self.requests, tenant, job).await
    }

    async fn firing_page(&self, tenant: TenantNo, params: &FiringPageParams) -> Result<Vec<FiringRow>, StoreError> {
        pages::firing_page(&self.requests, tenant, params).await
    }

    async fn config_get(
        &self,
        tenant: TenantNo,
        kind: ConfigKind,
        name: &str,
        version: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        pages::config_get(&self.requests, tenant, kind, name, version).await
    }

    async fn run_get(&self, tenant: TenantNo, run: RunId) -> Result<Option<RunFound>, StoreError> {
        pages::run_get(&self.requests, tenant, run).await
    }

    async fn run_page(&self, tenant: TenantNo, params: &RunPageParams) -> Result<Vec<RunFound>, StoreError> {
        pages::run_page(&self.requests, tenant, params).await
    }

    async fn done_count(&self, tenant: TenantNo) -> Result<Vec<DoneCount>, StoreError> {
        pages::done_count(&self.requests, tenant).await
    }

    async fn log_page(
        &self,
        tenant: TenantNo,
        job: JobId,
        after: (u32, u64),
        limit: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        pages::log_page(&self.requests, tenant, job, after, limit).await
    }

    async fn artifact_get(&self, tenant: TenantNo, sha256: &str) -> Result<Option<ArtifactRow>, StoreError> {
        pages::artifact_get(&self.requests, tenant, sha256).await
    }

    async fn tenant_list(&self) -> Result<Vec<TenantRow>, StoreError> {
        reads::tenant_list(&self.readers).await
    }

    async fn token_page(
        &self,
        tenant: TenantNo,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenRow>, StoreError> {
        pages::token_page(&self.readers, tenant, after, limit).await
    }

    async fn token_get(&self, tenant: TenantNo, id: TokenId) -> Result<Option<TokenRow>, StoreError> {
        pages::token_get(&self.readers, tenant, id).await
    }

    async fn token_lookup(&self, secret_sha256: [u8; 32]) -> Result<Option<TokenRow>, StoreError> {
        pages::token_lookup(&self.readers, &secret_sha256).await
    }

    async fn job_rotate(&self, params: &RotateParams) -> Result<Rotated, StoreError> {
        rotate::job_rotate(&self.keepers, params).await
    }

    async fn key_rotate(
        &self,
        tenant: TenantNo,
        before: Timestamp,
        above: KeyPlace,
    ) -> Result<KeysRotated, StoreError> {
        rotate::key_rotate(&self.keepers, tenant, before, above).await
    }

    async fn firing_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
        rotate::firing_rotate(&self.keepers, tenant, before).await
    }

    async fn backfill_get(&self, tenant: TenantNo, backfill: BackfillId) -> Result<Option<BackfillFound>, StoreError> {
        pages::backfill_get(&self.requests, tenant, backfill).await
    }

    async fn backfill_page(
        &self,
        tenant: TenantNo,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<BackfillFound>, StoreError> {
        pages::backfill_page(&self.requests, tenant, before, limit).await
    }

    async fn backfill_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
        rotate::backfill_rotate(&self.keepers, tenant, before).await
    }

    async fn run_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError> {
        rotate::run_rotate(&self.keepers, tenant, before).await
    }

    async fn rollup_list(&self, tenant: TenantNo, since: Timestamp) -> Result<Vec<RollupRow>, StoreError> {
        rotate::rollup_list(&self.requests, tenant, since).await
    }
}
