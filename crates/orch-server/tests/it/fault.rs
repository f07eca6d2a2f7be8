//! A ledger that breaks on demand: its reads fail, or panic, with a marker in their words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use orch_core::block::Block;
use orch_core::config::ConfigKind;
use orch_core::ids::{BackfillId, NodeId, RunId, ShardNo, Stream, TenantNo, TokenId};
use orch_core::port::*;
use orch_core::{JobId, Timestamp};

/// Stands in every text of a broken ledger; must be in no body.
pub const MARKER: &str = "MARKER-41c9 /var/lib/ledger";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    None,
    Unavailable,
    Corrupt,
    Panic,
}

/// The switch.
#[derive(Debug, Clone, Default)]
pub struct Switch(Arc<AtomicU8>);

impl Switch {
    pub fn set(&self, fault: Fault) {
        self.0.store(fault as u8, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.0.load(Ordering::SeqCst) {
            1 => Err(StoreError::Unavailable(MARKER.to_owned())),
            2 => Err(StoreError::Corrupt(MARKER.to_owned())),
            3 => panic!("{MARKER}"),
            _ => Ok(()),
        }
    }
}

pub struct FaultyLedger {
    pub inner: Arc<dyn Ledger>,
    pub switch: Switch,
}

pub struct FaultyBlobs {
    pub inner: Arc<dyn BlobStore>,
    pub switch: Switch,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

#[async_trait]
impl Ledger for FaultyLedger {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn node_renew(&self, params: &NodeParams) -> Result<Renewal> {
        self.inner.node_renew(params).await
    }

    async fn shard_take_over(&self, shard: ShardNo, node: NodeId) -> Result<TakeOver> {
        self.inner.shard_take_over(shard, node).await
    }

    async fn shard_release(&self, shard: ShardNo, node: NodeId, epoch: u64) -> Result<()> {
        self.inner.shard_release(shard, node, epoch).await
    }

    async fn shard_make(&self, count: u16) -> Result<()> {
        self.inner.shard_make(count).await
    }

    async fn shard_wish(&self, shard: ShardNo, node: NodeId) -> Result<bool> {
        self.inner.shard_wish(shard, node).await
    }

    async fn node_drain(&self, node: NodeId, draining: bool) -> Result<bool> {
        self.inner.node_drain(node, draining).await
    }

    async fn cluster(&self) -> Result<Cluster> {
        self.inner.cluster().await
    }

    async fn identity(&self) -> Result<LedgerIdentity> {
        self.inner.identity().await
    }

    async fn append(&self, append: &Append) -> Result<()> {
        self.inner.append(append).await
    }

    async fn snapshot_get(&self, shard: ShardNo) -> Result<Option<SnapshotRow>> {
        self.inner.snapshot_get(shard).await
    }

    async fn tail_read(&self, shard: ShardNo, after: u64, limit: usize) -> Result<Vec<Commit>> {
        self.inner.tail_read(shard, after, limit).await
    }

    async fn window_read(&self, wishes: &[WindowParams]) -> Result<Vec<Vec<WindowRow>>> {
        self.inner.window_read(wishes).await
    }

    async fn job_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<JobFound>> {
        self.switch.check()?;
        self.inner.job_lookup(tenant, ids).await
    }

    async fn done_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<DoneRow>> {
        self.switch.check()?;
        self.inner.done_lookup(tenant, ids).await
    }

    async fn key_lookup(&self, tenant: TenantNo, keys: &[[u8; 16]], since: Timestamp) -> Result<Vec<KeyRow>> {
        self.inner.key_lookup(tenant, keys, since).await
    }

    async fn key_page(&self, tenant: TenantNo, from: KeyPlace, limit: usize) -> Result<Vec<[u8; 16]>> {
        self.inner.key_page(tenant, from, limit).await
    }

    async fn checkpoint_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<CheckpointRow>> {
        self.switch.check()?;
        self.inner.checkpoint_lookup(tenant, ids).await
    }

    async fn block_lookup(&self, stream: Stream, seqs: &[u64]) -> Result<Vec<Block>> {
        self.switch.check()?;
        self.inner.block_lookup(stream, seqs).await
    }

    async fn stream_read(&self, stream: Stream, after: u64, limit: usize) -> Result<Vec<Block>> {
        self.inner.stream_read(stream, after, limit).await
    }

    async fn job_page(&self, tenant: TenantNo, params: &JobPageParams) -> Result<JobPage> {
        self.switch.check()?;
        self.inner.job_page(tenant, params).await
    }

    async fn dead_letter_page(&self, tenant: TenantNo, params: &DeadLetterPageParams) -> Result<Vec<DeadLetterFound>> {
        self.switch.check()?;
        self.inner.dead_letter_page(tenant, params).await
    }

    async fn dead_letter_get(&self, tenant: TenantNo, job: JobId) -> Result<Option<DeadLetterFound>> {
        self.switch.check()?;
        self.inner.dead_letter_get(tenant, job).await
    }

    async fn firing_page(&self, tenant: TenantNo, params: &FiringPageParams) -> Result<Vec<FiringRow>> {
        self.switch.check()?;
        self.inner.firing_page(tenant, params).await
    }

    async fn config_get(&self, tenant: TenantNo, kind: ConfigKind, name: &str, version: u64) -> Result<Option<Bytes>> {
        self.switch.check()?;
        self.inner.config_get(tenant, kind, name, version).await
    }

    async fn run_get(&self, tenant: TenantNo, run: RunId) -> Result<Option<RunFound>> {
        self.switch.check()?;
        self.inner.run_get(tenant, run).await
    }

    async fn run_page(&self, tenant: TenantNo, params: &RunPageParams) -> Result<Vec<RunFound>> {
        self.switch.check()?;
        self.inner.run_page(tenant, params).await
    }

    async fn done_count(&self, tenant: TenantNo) -> Result<Vec<DoneCount>> {
        self.switch.check()?;
        self.inner.done_count(tenant).await
    }

    async fn log_page(&self, tenant: TenantNo, job: JobId, after: (u32, u64), limit: usize) -> Result<Vec<LogRow>> {
        self.switch.check()?;
        self.inner.log_page(tenant, job, after, limit).await
    }

    async fn artifact_get(&self, tenant: TenantNo, sha256: &str) -> Result<Option<ArtifactRow>> {
        self.switch.check()?;
        self.inner.artifact_get(tenant, sha256).await
    }

    async fn tenant_list(&self) -> Result<Vec<TenantRow>> {
        self.switch.check()?;
        self.inner.tenant_list().await
    }

    async fn token_page(&self, tenant: TenantNo, after: Option<TokenId>, limit: usize) -> Result<Vec<TokenRow>> {
        self.switch.check()?;
        self.inner.token_page(tenant, after, limit).await
    }

    async fn token_get(&self, tenant: TenantNo, id: TokenId) -> Result<Option<TokenRow>> {
        self.switch.check()?;
        self.inner.token_get(tenant, id).await
    }

    async fn token_lookup(&self, secret_sha256: [u8; 32]) -> Result<Option<TokenRow>> {
        self.switch.check()?;
        self.inner.token_lookup(secret_sha256).await
    }

    async fn job_rotate(&self, params: &RotateParams) -> Result<Rotated> {
        self.inner.job_rotate(params).await
    }

    async fn key_rotate(&self, tenant: TenantNo, before: Timestamp, above: KeyPlace) -> Result<KeysRotated> {
        self.inner.key_rotate(tenant, before, above).await
    }

    async fn firing_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64> {
        self.inner.firing_rotate(tenant, before).await
    }

    async fn backfill_get(&self, tenant: TenantNo, backfill: BackfillId) -> Result<Option<BackfillFound>> {
        self.switch.check()?;
        self.inner.backfill_get(tenant, backfill).await
    }

    async fn backfill_page(&self, tenant: TenantNo, before: Option<u64>, limit: usize) -> Result<Vec<BackfillFound>> {
        self.switch.check()?;
        self.inner.backfill_page(tenant, before, limit).await
    }

    async fn backfill_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64> {
        self.inner.backfill_rotate(tenant, before).await
    }

    async fn run_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64> {
        self.inner.run_rotate(tenant, before).await
    }

    async fn rollup_list(&self, tenant: TenantNo, since: Timestamp) -> Result<Vec<RollupRow>> {
        self.inner.rollup_list(tenant, since).await
    }
}

#[async_trait]
impl BlobStore for FaultyBlobs {
    async fn blob_put(&self, tenant: TenantNo, sha256: &str, media_type: &str, bytes: Bytes) -> Result<()> {
        self.switch.check()?;
        self.inner.blob_put(tenant, sha256, media_type, bytes).await
    }

    async fn blob_get(&self, tenant: TenantNo, sha256: &str) -> Result<Option<(String, Bytes)>> {
        self.switch.check()?;
        self.inner.blob_get(tenant, sha256).await
    }
}
