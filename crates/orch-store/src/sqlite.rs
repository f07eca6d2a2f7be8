//! The ledger in a SQLite file: WAL, every commit synced, one process.
//!
//! One thread writes; reads have connections of their own on blocking threads.

mod append;
mod connection;
mod lock;
mod migrate;
mod ownership;
mod pages;
mod rare;
mod readers;
mod reads;
mod rotate;
mod rows;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

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

use crate::rotation::{Chunk, STEP_ROWS};

type Result<T> = std::result::Result<T, StoreError>;

/// The ledger in a SQLite file.
pub struct SqliteLedger {
    writer: writer::Writer,
    readers: readers::Readers,
    /// Dropped last.
    _lock: Arc<lock::Lock>,
}

impl SqliteLedger {
    /// Opens the file, makes it if it is not there, and brings it to this build's schema.
    /// Blocks the thread; meant for a start-up.
    ///
    /// # Errors
    /// `Refused` when another process uses it, its schema is newer than this build, or it is no ledger.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = whole_path(path.as_ref())?;
        let lock = Arc::new(lock::Lock::take(&path)?);
        let mut connection = connection::open_writer(&path)?;
        migrate::migrate(&mut connection)?;
        ownership::forget_nodes(&connection)?;
        let writer = writer::Writer::start(path.clone(), connection)?;
        let readers = readers::Readers::new(path, Arc::clone(&lock));
        Ok(Self { writer, readers, _lock: lock })
    }
}

/// The path without links, so that two names of one file have one lock.
fn whole_path(path: &Path) -> Result<PathBuf> {
    let refused = |source: std::io::Error| StoreError::Refused(format!("{}: {source}", path.display()));
    if path.exists() {
        return path.canonicalize().map_err(refused);
    }
    let name = path.file_name().ok_or_else(|| StoreError::Refused(format!("{} names no file", path.display())))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize().map_err(refused)?.join(name))
}

#[async_trait]
impl Ledger for SqliteLedger {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn node_renew(&self, params: &NodeParams) -> Result<Renewal> {
        let params = params.clone();
        self.writer.call(move |connection| ownership::renew(connection, &params)).await
    }

    async fn shard_take_over(&self, shard: ShardNo, node: NodeId) -> Result<TakeOver> {
        self.writer.call(move |connection| ownership::take_over(connection, shard, node)).await
    }

    async fn shard_release(&self, shard: ShardNo, node: NodeId, epoch: u64) -> Result<()> {
        self.writer.call(move |connection| ownership::release(connection, shard, node, epoch)).await
    }

    async fn shard_make(&self, count: u16) -> Result<()> {
        self.writer.call(move |connection| ownership::make(connection, count)).await
    }

    async fn shard_wish(&self, shard: ShardNo, node: NodeId) -> Result<bool> {
        self.writer.call(move |connection| ownership::wish(connection, shard, node)).await
    }

    async fn node_drain(&self, node: NodeId, draining: bool) -> Result<bool> {
        self.writer.call(move |connection| ownership::drain(connection, node, draining)).await
    }

    async fn cluster(&self) -> Result<Cluster> {
        self.readers.call(ownership::cluster).await
    }

    async fn identity(&self) -> Result<LedgerIdentity> {
        self.readers.call(ownership::identity).await
    }

    async fn append(&self, append: &Append) -> Result<()> {
        let append = append.clone();
        self.writer.call(move |connection| append::append(connection, &append)).await
    }

    async fn snapshot_get(&self, shard: ShardNo) -> Result<Option<SnapshotRow>> {
        self.readers.call(move |connection| reads::snapshot_get(connection, shard)).await
    }

    async fn tail_read(&self, shard: ShardNo, after: u64, limit: usize) -> Result<Vec<Commit>> {
        self.readers.call(move |connection| reads::tail_read(connection, shard, after, limit)).await
    }

    async fn window_read(&self, wishes: &[WindowParams]) -> Result<Vec<Vec<WindowRow>>> {
        let wishes = wishes.to_vec();
        self.readers.call(move |connection| reads::window_read(connection, &wishes)).await
    }

    async fn job_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<JobFound>> {
        let ids = ids.to_vec();
        self.readers.call(move |connection| reads::job_lookup(connection, tenant, &ids)).await
    }

    async fn done_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<DoneRow>> {
        let ids = ids.to_vec();
        self.readers.call(move |connection| reads::done_lookup(connection, tenant, &ids)).await
    }

    async fn key_lookup(&self, tenant: TenantNo, keys: &[[u8; 16]], since: Timestamp) -> Result<Vec<KeyRow>> {
        let keys = keys.to_vec();
        self.readers.call(move |connection| reads::key_lookup(connection, tenant, &keys, since)).await
    }

    async fn key_page(&self, tenant: TenantNo, from: KeyPlace, limit: usize) -> Result<Vec<[u8; 16]>> {
        self.readers.call(move |connection| reads::key_page(connection, tenant, from, limit)).await
    }

    async fn checkpoint_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<CheckpointRow>> {
        let ids = ids.to_vec();
        self.readers.call(move |connection| reads::checkpoint_lookup(connection, tenant, &ids)).await
    }

    async fn block_lookup(&self, stream: Stream, seqs: &[u64]) -> Result<Vec<Block>> {
        let seqs = seqs.to_vec();
        self.readers.call(move |connection| reads::block_lookup(connection, stream, &seqs)).await
    }

    async fn stream_read(&self, stream: Stream, after: u64, limit: usize) -> Result<Vec<Block>> {
        self.readers.call(move |connection| reads::stream_read(connection, stream, after, limit)).await
    }

    async fn job_page(&self, tenant: TenantNo, params: &JobPageParams) -> Result<JobPage> {
        let params = params.clone();
        self.readers.call(move |connection| pages::job_page(connection, tenant, &params)).await
    }

    async fn dead_letter_page(&self, tenant: TenantNo, params: &DeadLetterPageParams) -> Result<Vec<DeadLetterFound>> {
        let params = params.clone();
        self.readers.call(move |connection| pages::dead_letter_page(connection, tenant, &params)).await
    }

    async fn dead_letter_get(&self, tenant: TenantNo, job: JobId) -> Result<Option<DeadLetterFound>> {
        self.readers.call(move |connection| pages::dead_letter_get(connection, tenant, job)).await
    }

    async fn firing_page(&self, tenant: TenantNo, params: &FiringPageParams) -> Result<Vec<FiringRow>> {
        let params = params.clone();
        self.readers.call(move |connection| pages::firing_page(connection, tenant, &params)).await
    }

    async fn config_get(&self, tenant: TenantNo, kind: ConfigKind, name: &str, version: u64) -> Result<Option<Bytes>> {
        let name = name.to_owned();
        self.readers.call(move |connection| pages::config_get(connection, tenant, kind, &name, version)).await
    }

    async fn run_get(&self, tenant: TenantNo, run: RunId) -> Result<Option<RunFound>> {
        self.readers.call(move |connection| pages::run_get(connection, tenant, run)).await
    }

    async fn run_page(&self, tenant: TenantNo, params: &RunPageParams) -> Result<Vec<RunFound>> {
        let params = params.clone();
        self.readers.call(move |connection| pages::run_page(connection, tenant, &params)).await
    }

    async fn done_count(&self, tenant: TenantNo) -> Result<Vec<DoneCount>> {
        self.readers.call(move |connection| pages::done_count(connection, tenant)).await
    }

    async fn log_page(&self, tenant: TenantNo, job: JobId, after: (u32, u64), limit: usize) -> Result<Vec<LogRow>> {
        self.readers.call(move |connection| pages::log_page(connection, tenant, job, after, limit)).await
    }

    async fn artifact_get(&self, tenant: TenantNo, sha256: &str) -> Result<Option<ArtifactRow>> {
        let sha256 = sha256.to_owned();
        self.readers.call(move |connection| pages::artifact_get(connection, tenant, &sha256)).await
    }

    async fn tenant_list(&self) -> Result<Vec<TenantRow>> {
        self.readers.call(reads::tenant_list).await
    }

    async fn token_page(&self, tenant: TenantNo, after: Option<TokenId>, limit: usize) -> Result<Vec<TokenRow>> {
        self.readers.call(move |connection| pages::token_page(connection, tenant, after, limit)).await
    }

    async fn token_get(&self, tenant: TenantNo, id: TokenId) -> Result<Option<TokenRow>> {
        self.readers.call(move |connection| pages::token_get(connection, tenant, id)).await
    }

    async fn token_lookup(&self, secret_sha256: [u8; 32]) -> Result<Option<TokenRow>> {
        self.readers.call(move |connection| pages::token_lookup(connection, &secret_sha256)).await
    }

    async fn job_rotate(&self, params: &RotateParams) -> Result<Rotated> {
        let terms = params.clone();
        let chunk = Arc::new(self.readers.call(move |connection| rotate::walk(connection, &terms)).await?);
        if chunk.going.is_empty() {
            return Ok(chunk.rotated(0));
        }
        let (jobs, terms) = (Arc::clone(&chunk), params.clone());
        let rows = self.writer.call(move |connection| rotate::remove_rows(connection, &terms, &jobs.going)).await?;
        if rows >= STEP_ROWS {
            return Ok(Chunk::again(params));
        }
        let (jobs, terms) = (Arc::clone(&chunk), params.clone());
        let removed = self.writer.call(move |connection| rotate::remove_jobs(connection, &terms, &jobs.going)).await?;
        Ok(chunk.rotated(removed))
    }

    async fn key_rotate(&self, tenant: TenantNo, before: Timestamp, above: KeyPlace) -> Result<KeysRotated> {
        self.writer.call(move |connection| rotate::key_rotate(connection, tenant, before, above)).await
    }

    async fn firing_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64> {
        self.writer.call(move |connection| rotate::firing_rotate(connection, tenant, before)).await
    }

    async fn backfill_get(&self, tenant: TenantNo, backfill: BackfillId) -> Result<Option<BackfillFound>> {
        self.readers.call(move |connection| pages::backfill_get(connection, tenant, backfill)).await
    }

    async fn backfill_page(&self, tenant: TenantNo, before: Option<u64>, limit: usize) -> Result<Vec<BackfillFound>> {
        self.readers.call(move |connection| pages::backfill_page(connection, tenant, before, limit)).await
    }

    async fn backfill_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64> {
        self.writer.call(move |connection| rotate::backfill_rotate(connection, tenant, before)).await
    }

    async fn run_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64> {
        self.writer.call(move |connection| rotate::run_rotate(connection, tenant, before)).await
    }

    async fn rollup_list(&self, tenant: TenantNo, since: Timestamp) -> Result<Vec<RollupRow>> {
        self.readers.call(move |connection| rotate::rollup_list(connection, tenant, since)).await
    }
}
