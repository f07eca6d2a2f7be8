//! What a ledger must do. `orch-store` has two; one conformance suite judges both by this text.
//!
//! Each method is one transaction. No transaction object crosses this seam. Times are arguments, except where a
//! method says that the database's own clock is read (ownership only).

mod run;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::backfill::WindowOf;
use crate::block::Block;
use crate::config::ConfigKind;
use crate::ids::{BackfillId, Incarnation, JobId, LaneNo, NodeId, RunId, ShardNo, Stream, TenantId, TenantNo, TokenId};
use crate::job::{ArtifactRef, JobError, JobState};
use crate::run::PartOf;
use crate::time::Timestamp;

pub use run::{BackfillEndRow, BackfillFound, BackfillRow, RunEndRow, RunFound, RunPageParams, RunRow};

/// Why a ledger did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The fence did not hold: the shard has another owner or epoch. Nothing was written.
    #[error("the shard has another owner")]
    Stale,
    /// The ledger cannot be reached, or the outcome is not known.
    #[error("the ledger is not available: {0}")]
    Unavailable(String),
    /// A constraint was hit or bytes are not what was written. A defect, or somebody's hand.
    #[error("the ledger is not whole: {0}")]
    Corrupt(String),
    /// The ledger cannot be opened as it is: newer schema, in use by another process, a role that voids a wall.
    #[error("the ledger cannot be opened: {0}")]
    Refused(String),
}

/// A node that announces itself or renews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeParams {
    /// This boot of this process.
    pub node: NodeId,
    /// Where other nodes reach it.
    pub address: String,
    /// How long it counts as alive, by the database's clock.
    pub lease_ms: u64,
}

/// A node as the ledger shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// The boot of the process.
    pub node: NodeId,
    /// Where other nodes reach it.
    pub address: String,
    /// For how long it counts as alive unless it renews; 0: it does not.
    pub for_ms: u64,
    /// An operator asked it to give all its shards up and take none.
    pub draining: bool,
}

/// A shard as the ledger shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardRow {
    /// The shard.
    pub shard: ShardNo,
    /// The epoch of its last take-over.
    pub epoch: u64,
    /// Its owner, alive or not.
    pub owner: Option<NodeId>,
    /// The node that an operator wants it on. It holds as long as that node lives.
    pub wish: Option<NodeId>,
}

/// What names a ledger.
#[derive(Clone)]
pub struct LedgerIdentity {
    /// Its life.
    pub incarnation: Incarnation,
    /// Known to its nodes alone.
    pub node_secret: [u8; 32],
}

/// Who is there, and who owns what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Nodes that are alive, or were a short while ago; by id.
    pub nodes: Vec<NodeRow>,
    /// All shards; by number.
    pub shards: Vec<ShardRow>,
}

/// What a renewal returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The database's time.
    pub now: Timestamp,
    /// The (shard, epoch) rows that still name the node. Any other ownership ends at once.
    pub owned: Vec<(ShardNo, u64)>,
}

/// A shard taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The shard.
    pub shard: ShardNo,
    /// The new epoch; higher than any before.
    pub epoch: u64,
    /// The database's time at the take-over.
    pub now: Timestamp,
    /// The ledger's life.
    pub incarnation: Incarnation,
}

/// The answer to an attempt to take a shard over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeOver {
    /// It is ours.
    Taken(Ownership),
    /// Its owner is alive for that many milliseconds more unless it renews.
    Held {
        /// The owner.
        node: NodeId,
        /// Where to find it.
        address: String,
        /// Until it counts as dead.
        for_ms: u64,
    },
}

/// The immutable row of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// The id.
    pub id: JobId,
    /// The tenant.
    pub tenant: TenantNo,
    /// Its lane.
    pub lane: LaneNo,
    /// Seq of its `job_enqueued`; its order key in the lane if it was ready at once.
    pub seq: u64,
    /// It entered its lane at once, and its lane's window is filled from this row.
    /// Whatever else is open (blocked, scheduled, with a deadline, attempted) lives in the owner's memory.
    pub fresh: bool,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// `JobExtra` as JSON; `None` when all of it is empty.
    pub extra: Option<Bytes>,
    /// The payload's bytes.
    pub payload: Bytes,
    /// Labels, for the index.
    pub labels: Vec<(String, String)>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneRow {
    /// The job.
    pub job: JobId,
    /// The tenant.
    pub tenant: TenantNo,
    /// Its lane.
    pub lane: LaneNo,
    /// The final state.
    pub state: JobState,
    /// When.
    pub at: Timestamp,
    /// Seq of its `job_finished`.
    pub seq: u64,
    /// The last attempt.
    pub attempt: u32,
    /// The epoch in the last attempt's token.
    pub epoch: u64,
    /// Fingerprint of the report that ended it, if one did.
    pub report: Option<[u8; 16]>,
    /// `JobOutput` as JSON; `None` when all of it is empty.
    pub output: Option<Bytes>,
}

/// What the `extra` of a job row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct JobExtra {
    /// See `JobSpec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// See `JobSpec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// See `JobSpec`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<crate::job::Dependency>,
    /// The firing that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firing: Option<crate::schedule::Firing>,
    /// See `JobSpec`.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: std::collections::BTreeMap<String, String>,
    /// See `JobSpec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// See `JobSpec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<crate::job::Origin>,
    /// Which part of a run it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<PartOf>,
    /// The window of a backfill that it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowOf>,
}

/// What the `output` of a done row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct JobOutput {
    /// Outputs by digest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The result as the worker sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

/// An idempotency key's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The tenant.
    pub tenant: TenantNo,
    /// Hash of subject, operation and key.
    pub key: [u8; 16],
    /// Hash of what was asked.
    pub fingerprint: [u8; 16],
    /// The first answer: the ids that were made.
    pub jobs: Vec<JobId>,
    /// When.
    pub at: Timestamp,
}

/// A dead letter comes to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// The job that failed.
    pub job: JobId,
    /// The tenant.
    pub tenant: TenantNo,
    /// Its lane.
    pub lane: LaneNo,
    /// When.
    pub at: Timestamp,
    /// `EndCause` as its word.
    pub cause: String,
    /// What went wrong.
    pub error: JobError,
    /// Attempts that were made.
    pub attempts: u32,
}

/// A dead letter was settled. At most one a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementRow {
    /// The job that failed.
    pub job: JobId,
    /// The tenant.
    pub tenant: TenantNo,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// The job that it became; `None`: discarded.
    pub replayed_as: Option<JobId>,
}

/// A new version of a declared thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRow {
    /// The tenant.
    pub tenant: TenantNo,
    /// The kind.
    pub kind: ConfigKind,
    /// The name.
    pub name: String,
    /// The version, from 1.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// The document as JSON.
    pub doc: Bytes,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRow {
    /// Its number in this ledger.
    pub no: TenantNo,
    /// Its id.
    pub id: TenantId,
    /// Its name; unique.
    pub name: String,
    /// Where it lives.
    pub shard: ShardNo,
    /// When.
    pub created_at: Timestamp,
}

/// An API token: what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Its id.
    pub id: TokenId,
    /// Its tenant.
    pub tenant: TenantNo,
    /// Text for people.
    pub name: String,
    /// SHA-256 of the secret.
    pub secret_sha256: [u8; 32],
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Saved progress of an attempt; a later one replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// The job.
    pub job: JobId,
    /// The tenant.
    pub tenant: TenantNo,
    /// The attempt.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// JSON of the worker's making.
    pub data: Bytes,
}

/// Log lines of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// The job.
    pub job: JobId,
    /// The tenant.
    pub tenant: TenantNo,
    /// The attempt.
    pub attempt: u32,
    /// The owner's order: commit number × 65,536 + place in the commit; unique in (job, attempt).
    pub order: u64,
    /// When the owner took them.
    pub at: Timestamp,
    /// JSON array of lines `{at, level, message}`.
    pub lines: Bytes,
}

/// An artifact that an attempt registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRow {
    /// The tenant.
    pub tenant: TenantNo,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// What.
    pub artifact: ArtifactRef,
}

/// What became of a nominal instant of a schedule, or of several on end that have no job. One of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiringRow {
    /// The tenant.
    pub tenant: TenantNo,
    /// The schedule.
    pub schedule: String,
    /// The nominal instant; the first of several.
    pub nominal_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
    /// How many.
    pub count: u64,
    /// When that was decided.
    pub at: Timestamp,
    /// The job; `None`: there is none.
    pub job: Option<JobId>,
    /// The run; `None`: there is none.
    pub run: Option<RunId>,
    /// Why there is neither: the word of a `SkipCause`.
    pub cause: Option<String>,
}

/// The owner's saved state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The commit that it describes the state after.
    pub commit_no: u64,
    /// The form of `state`.
    pub format: u32,
    /// The state.
    pub state: Bytes,
}

/// One commit of one shard: all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Append {
    /// The shard.
    pub shard: ShardNo,
    /// The epoch that must hold.
    pub epoch: u64,
    /// Its number: one more than the last.
    pub commit_no: u64,
    /// Facts, a block a stream.
    pub blocks: Vec<Block>,
    /// Jobs accepted.
    pub jobs: Vec<JobRow>,
    /// Jobs ended.
    pub done: Vec<DoneRow>,
    /// Keys used.
    pub keys: Vec<KeyRow>,
    /// Dead letters.
    pub dead_letters: Vec<DeadLetterRow>,
    /// Dead letters settled.
    pub settlements: Vec<SettlementRow>,
    /// Config versions.
    pub configs: Vec<ConfigRow>,
    /// Tenants made.
    pub tenants: Vec<TenantRow>,
    /// Tokens made, or made again with `revoked_at` set.
    pub tokens: Vec<TokenRow>,
    /// Checkpoints.
    pub checkpoints: Vec<CheckpointRow>,
    /// Log chunks.
    pub logs: Vec<LogRow>,
    /// Artifacts registered.
    pub artifacts: Vec<ArtifactRow>,
    /// Nominal instants of schedules that were decided.
    pub firings: Vec<FiringRow>,
    /// Runs that began.
    pub runs: Vec<RunRow>,
    /// Runs that ended.
    pub run_ends: Vec<RunEndRow>,
    /// Backfills that were asked for.
    pub backfills: Vec<BackfillRow>,
    /// Backfills that ended.
    pub backfill_ends: Vec<BackfillEndRow>,
    /// A snapshot of the state after an earlier commit; replaces the shard's last.
    pub snapshot: Option<SnapshotRow>,
}

impl Append {
    /// True when there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
            && self.jobs.is_empty()
            && self.done.is_empty()
            && self.keys.is_empty()
            && self.dead_letters.is_empty()
            && self.settlements.is_empty()
            && self.configs.is_empty()
            && self.tenants.is_empty()
            && self.tokens.is_empty()
            && self.checkpoints.is_empty()
            && self.logs.is_empty()
            && self.artifacts.is_empty()
            && self.firings.is_empty()
            && self.runs.is_empty()
            && self.run_ends.is_empty()
            && self.backfills.is_empty()
            && self.backfill_ends.is_empty()
            && self.snapshot.is_none()
    }
}

/// Blocks of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its number.
    pub commit_no: u64,
    /// Its blocks, by stream.
    pub blocks: Vec<Block>,
}

/// A wish to read the next jobs of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowParams {
    /// The tenant.
    pub tenant: TenantNo,
    /// The lane.
    pub lane: LaneNo,
    /// Only order keys above this.
    pub after: u64,
    /// At most so many (and at most `WINDOW_READ`).
    pub limit: usize,
}

/// A fresh job as its lane's window needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    /// The job.
    pub job: JobId,
    /// Its order key.
    pub seq: u64,
    /// Its payload.
    pub payload: Bytes,
    /// `JobExtra` as JSON; `None` when all of it is empty.
    pub extra: Option<Bytes>,
}

/// A job with its end, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFound {
    /// The job.
    pub job: JobRow,
    /// Its end.
    pub done: Option<DoneRow>,
    /// Its dead letter was settled.
    pub settled: bool,
}

/// A page of jobs, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobPageParams {
    /// Only jobs with an id below this.
    pub before: Option<JobId>,
    /// At most so many.
    pub limit: usize,
    /// Only these lanes; `None`: all.
    pub lanes: Option<Vec<LaneNo>>,
    /// Only these final states; `None`: all jobs, open ones too.
    pub states: Option<Vec<JobState>>,
    /// Only jobs without an end (excludes `states`).
    pub open_only: bool,
    /// Only jobs with all of these labels.
    pub labels: Vec<(String, String)>,
    /// Only jobs that ended with an error of one of these codes or classes; empty: no matter which, or none.
    pub errors: Vec<String>,
    /// Only jobs accepted at or after.
    pub since: Option<Timestamp>,
    /// Only jobs accepted before.
    pub until: Option<Timestamp>,
}

/// A page of jobs. A page may be short (even empty) while `next` is there: a page reads a bounded number of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs, newest first.
    pub jobs: Vec<JobFound>,
    /// Where the next page begins.
    pub next: Option<JobId>,
}

/// A page of dead letters, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterPageParams {
    /// Only those of jobs with (at, job) below this.
    pub before: Option<(Timestamp, JobId)>,
    /// At most so many.
    pub limit: usize,
    /// Settled ones too.
    pub settled: bool,
}

/// A dead letter as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterFound {
    /// The dead letter.
    pub row: DeadLetterRow,
    /// How it was settled.
    pub settlement: Option<SettlementRow>,
}

/// A page of what became of a schedule's nominal instants, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiringPageParams {
    /// The schedule.
    pub schedule: String,
    /// Only those of instants below this.
    pub before: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
}

/// Final jobs by lane and state, for summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoneCount {
    /// The lane.
    pub lane: LaneNo,
    /// The final state.
    pub state: JobState,
    /// How many.
    pub jobs: u64,
}

/// The ledger.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// `postgres` or `sqlite`, for logs and health.
    fn name(&self) -> &'static str;

    /// Announces a node, or renews it: it counts as alive for `lease_ms` from now by the database's clock.
    /// Returns the shards that still name it.
    async fn node_renew(&self, params: &NodeParams) -> Result<Renewal, StoreError>;

    /// Takes a shard over: if its row names a live other node, `Held`; else raises the epoch, names `node`, ends the
    /// old owner's connections, and commits before anything is read. Waits for open appends of the old owner at most
    /// about 3 s. The shard's row is made at the first call. Locks the old node's row in the same transaction.
    async fn shard_take_over(&self, shard: ShardNo, node: NodeId) -> Result<TakeOver, StoreError>;

    /// Gives a shard up, if (shard, node, epoch) still holds, so that another may take it at once.
    async fn shard_release(&self, shard: ShardNo, node: NodeId, epoch: u64) -> Result<(), StoreError>;

    /// Makes sure that the shards 0 to `count - 1` have rows, so that nodes share them out.
    async fn shard_make(&self, count: u16) -> Result<(), StoreError>;

    /// Notes on which node an operator wants the shard; false when there is no such shard or no such live node.
    async fn shard_wish(&self, shard: ShardNo, node: NodeId) -> Result<bool, StoreError>;

    /// Notes that a node is to give its shards up, or may take shards again; false when no such node is alive.
    async fn node_drain(&self, node: NodeId, draining: bool) -> Result<bool, StoreError>;

    /// Who is there, and who owns what.
    async fn cluster(&self) -> Result<Cluster, StoreError>;

    /// The ledger's life, and the secret by which its nodes know each other. Never shown to anybody.
    async fn identity(&self) -> Result<LedgerIdentity, StoreError>;

    /// How many appends of one shard may be under way at the same time.
    fn appends_at_once(&self) -> usize {
        1
    }

    /// Writes one commit, fenced: the row (shard, epoch) is locked in the append itself, and when it is not there
    /// nothing is written and the answer is `Stale`. Any other error leaves the outcome unknown.
    /// At most `appends_at_once` are under way for one shard, called in the order of their numbers: they commit in that
    /// order, and none after one that failed.
    async fn append(&self, append: &Append) -> Result<(), StoreError>;

    /// The newest snapshot.
    async fn snapshot_get(&self, shard: ShardNo) -> Result<Option<SnapshotRow>, StoreError>;

    /// Commits after `after`, in order, at most `limit` of them.
    async fn tail_read(&self, shard: ShardNo, after: u64, limit: usize) -> Result<Vec<Commit>, StoreError>;

    /// For each wish the next fresh jobs of the lane without an end, by rising order key; answers in order of wishes.
    async fn window_read(&self, wishes: &[WindowParams]) -> Result<Vec<Vec<WindowRow>>, StoreError>;

    /// The jobs of the tenant among `ids`, with their ends; unknown ones are left out. Any order.
    async fn job_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<JobFound>, StoreError>;

    /// The ends of the tenant's jobs among `ids` (without their specs). Any order.
    async fn done_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<DoneRow>, StoreError>;

    /// The rows of the tenant's keys among `keys` that were written at or after `since`.
    async fn key_lookup(
        &self,
        tenant: TenantNo,
        keys: &[[u8; 16]],
        since: Timestamp,
    ) -> Result<Vec<KeyRow>, StoreError>;

    /// The tenant's keys of the place's day from the place on, by rising key, at most `limit`.
    async fn key_page(&self, tenant: TenantNo, from: KeyPlace, limit: usize) -> Result<Vec<[u8; 16]>, StoreError>;

    /// The last checkpoint of each job among `ids` that has one.
    async fn checkpoint_lookup(&self, tenant: TenantNo, ids: &[JobId]) -> Result<Vec<CheckpointRow>, StoreError>;

    /// The blocks of a stream that hold the given seqs; each block once, by rising seq.
    async fn block_lookup(&self, stream: Stream, seqs: &[u64]) -> Result<Vec<Block>, StoreError>;

    /// Blocks of a stream that hold facts after `after`, by rising seq, at most `limit`.
    async fn stream_read(&self, stream: Stream, after: u64, limit: usize) -> Result<Vec<Block>, StoreError>;

    /// A page of the tenant's jobs.
    async fn job_page(&self, tenant: TenantNo, params: &JobPageParams) -> Result<JobPage, StoreError>;

    /// A page of the tenant's dead letters.
    async fn dead_letter_page(
        &self,
        tenant: TenantNo,
        params: &DeadLetterPageParams,
    ) -> Result<Vec<DeadLetterFound>, StoreError>;

    /// The tenant's dead letter of that job.
    async fn dead_letter_get(&self, tenant: TenantNo, job: JobId) -> Result<Option<DeadLetterFound>, StoreError>;

    /// A page of what became of the nominal instants of one of the tenant's schedules.
    async fn firing_page(&self, tenant: TenantNo, params: &FiringPageParams) -> Result<Vec<FiringRow>, StoreError>;

    /// The document of one version of a declared thing, as JSON; `None`: there is no such version, or it says that it is
    /// declared no more.
    async fn config_get(
        &self,
        tenant: TenantNo,
        kind: ConfigKind,
        name: &str,
        version: u64,
    ) -> Result<Option<Bytes>, StoreError>;

    /// One of the tenant's runs.
    async fn run_get(&self, tenant: TenantNo, run: RunId) -> Result<Option<RunFound>, StoreError>;

    /// A page of the tenant's runs. Their ends come without their courses.
    async fn run_page(&self, tenant: TenantNo, params: &RunPageParams) -> Result<Vec<RunFound>, StoreError>;

    /// One of the tenant's backfills.
    async fn backfill_get(&self, tenant: TenantNo, backfill: BackfillId) -> Result<Option<BackfillFound>, StoreError>;

    /// The tenant's backfills, newest first, with a `seq` below `before`, at most `limit`.
    async fn backfill_page(
        &self,
        tenant: TenantNo,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<BackfillFound>, StoreError>;

    /// Final jobs of the tenant by lane and state.
    async fn done_count(&self, tenant: TenantNo) -> Result<Vec<DoneCount>, StoreError>;

    /// Log chunks of a job with (attempt, order) above `after`, in order, at most `limit`.
    async fn log_page(
        &self,
        tenant: TenantNo,
        job: JobId,
        after: (u32, u64),
        limit: usize,
    ) -> Result<Vec<LogRow>, StoreError>;

    /// The artifact of that digest, as somebody in the tenant registered it.
    async fn artifact_get(&self, tenant: TenantNo, sha256: &str) -> Result<Option<ArtifactRow>, StoreError>;

    /// All tenants. Platform-wide: for the owner's start and for `orch:admin`.
    async fn tenant_list(&self) -> Result<Vec<TenantRow>, StoreError>;

    /// The tenant's tokens with ids above `after`, by id, at most `limit`.
    async fn token_page(
        &self,
        tenant: TenantNo,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenRow>, StoreError>;

    /// The tenant's token of that id.
    async fn token_get(&self, tenant: TenantNo, id: TokenId) -> Result<Option<TokenRow>, StoreError>;

    /// The token with this secret's hash. Platform-wide: the tenant is what is being looked up.
    async fn token_lookup(&self, secret_sha256: [u8; 32]) -> Result<Option<TokenRow>, StoreError>;

    /// One step of a rotation: walks some of a tenant's jobs by rising id, and removes those of them that nobody needs
    /// any more, with their ends, labels, checkpoints, log lines, artifacts and settled dead letters. Their ends are
    /// counted in the roll-up in the same transaction, so that a step that is interrupted counts nothing twice.
    ///
    /// A job goes when it ended before `params.before` and its dead letter, if it has one, was settled before then too;
    /// unless `params.keep` names it, or it is fresh and above its lane's head. A job without an end never goes,
    /// whatever `params` say; nor does one of a lane that `params.heads` does not name. What stays is not moved: its
    /// order key and its bytes are as they were.
    /// An id that went may be given to a new job; a step that decided before that job came does not touch it.
    ///
    /// Not on the append connection; gives up instead of waiting for a lock. Two at the same time harm nobody.
    async fn job_rotate(&self, params: &RotateParams) -> Result<Rotated, StoreError>;

    /// One step of forgetting idempotency keys: removes some of the tenant's keys of whole days (in UTC) before the one
    /// of `before`, by rising place, above `above`.
    async fn key_rotate(&self, tenant: TenantNo, before: Timestamp, above: KeyPlace)
    -> Result<KeysRotated, StoreError>;

    /// One step of forgetting what became of nominal instants: removes some of the tenant's that were decided before a
    /// moment. Returns how many; 0: there are no more.
    async fn firing_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError>;

    /// One step of forgetting runs: removes some of the tenant's that ended before a moment. Returns how many; 0: there
    /// are no more.
    async fn run_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError>;

    /// The same of backfills.
    async fn backfill_rotate(&self, tenant: TenantNo, before: Timestamp) -> Result<u64, StoreError>;

    /// The tenant's jobs that rotation removed, counted by the hour in which they ended, from the hour of `since` on; by
    /// hour, lane, state and error class.
    async fn rollup_list(&self, tenant: TenantNo, since: Timestamp) -> Result<Vec<RollupRow>, StoreError>;
}

/// What a step of a rotation goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateParams {
    /// The tenant.
    pub tenant: TenantNo,
    /// Its lanes with their heads, by lane: order keys at or below are never read again.
    pub heads: Arc<[(LaneNo, u64)]>,
    /// Open jobs that are held in memory and must stay; by id.
    pub keep: Arc<[JobId]>,
    /// Jobs that ended before this moment go.
    pub before: Timestamp,
    /// Walks jobs with ids above this.
    pub above: JobId,
    /// And at or below this.
    pub upto: JobId,
}

/// What a step of a rotation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Jobs that it removed.
    pub removed: u64,
    /// Jobs that it walked and left.
    pub kept: u64,
    /// Above which id the next step goes on: the same as this one when its jobs have more log lines than a step removes.
    /// `None`: there is nothing more to walk.
    pub next: Option<JobId>,
}

/// A place in the order of a tenant's idempotency keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPlace {
    /// The day (in UTC, counted from 1970-01-01); 0: the first that there is.
    pub day: u32,
    /// The key's hash.
    pub key: [u8; 16],
}

/// What a step of forgetting keys did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeysRotated {
    /// Keys that it removed.
    pub removed: u64,
    /// Above which place the next step goes on; `None`: there is nothing more to walk.
    pub next: Option<KeyPlace>,
}

/// Ended jobs that are not kept any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupRow {
    /// The begin of the hour in which they ended.
    pub hour: Timestamp,
    /// Their lane.
    pub lane: LaneNo,
    /// Their final state.
    pub state: JobState,
    /// The class of the error that they ended with; empty: none.
    pub error_class: String,
    /// How many.
    pub jobs: u64,
}

/// Where uploaded artifacts' bytes lie: a folder, or chunks in PostgreSQL.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Keeps the bytes under (tenant, digest). Writing the same again is harmless. The caller has checked the digest.
    async fn blob_put(&self, tenant: TenantNo, sha256: &str, media_type: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// The bytes and their media type.
    async fn blob_get(&self, tenant: TenantNo, sha256: &str) -> Result<Option<(String, Bytes)>, StoreError>;
}
