//! Rows with one obvious default each, and an owner that numbers its commits.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use orch_core::backfill::{BackfillCourse, BackfillSpec, Order, Reprocess};
use orch_core::block::{Block, BlockWriter};
use orch_core::fact::{Fact, PauseTarget, RULES_VERSION, Record};
use orch_core::ids::{BackfillId, JobId, LaneNo, NodeId, RunId, ShardNo, Stream, TenantNo};
use orch_core::job::{ArtifactRef, JobError, JobState};
use orch_core::port::{
    Append, ArtifactRow, BackfillEndRow, BackfillRow, CheckpointRow, DeadLetterRow, DoneRow, JobExtra, JobRow, KeyRow,
    Ledger, LogRow, NodeParams, RunEndRow, RunRow, SettlementRow, StoreError, TakeOver,
};
use orch_core::run::{Counts, RunOutcome, RunSpec};
use orch_core::schedule::ScheduledJob;
use orch_core::time::Timestamp;
use orch_core::watermark::Axis;
use uuid::Uuid;

/// The moment at which everything begins.
pub const START: Timestamp = Timestamp::from_millis(1_900_000_000_000);
/// The tenant that the properties work for.
pub const TENANT: TenantNo = TenantNo(7);
/// Another one.
pub const OTHER: TenantNo = TenantNo(8);
/// A lane.
pub const LANE: LaneNo = LaneNo(3);
/// The shard that the properties work on.
pub const SHARD: ShardNo = ShardNo(2);
/// Long enough for any test.
pub const LONG_MS: u64 = 600_000;

/// `START` and a little.
#[must_use]
pub fn at(ms: u64) -> Timestamp {
    START.plus_ms(ms)
}

/// A node's id.
#[must_use]
pub fn node(n: u128) -> NodeId {
    NodeId(Uuid::from_u128(0xA0_0000 + n))
}

/// A job's id; rises with `n`.
#[must_use]
pub fn job_id(n: u64) -> JobId {
    JobId::v7(at(n), u128::from(n))
}

/// A fresh job with seq `n` in `LANE` of `TENANT`.
#[must_use]
pub fn job(n: u64) -> JobRow {
    JobRow {
        id: job_id(n),
        tenant: TENANT,
        lane: LANE,
        seq: n,
        fresh: true,
        created_at: at(n),
        extra: None,
        payload: Bytes::from(format!("{{\"n\":{n}}}")),
        labels: Vec::new(),
    }
}

/// The same with labels, in the index and in `extra`.
#[must_use]
pub fn labelled(mut job: JobRow, labels: &[(&str, &str)]) -> JobRow {
    job.labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    job.labels.sort();
    let extra = JobExtra { labels: job.labels.iter().cloned().collect(), ..JobExtra::default() };
    job.extra = Some(serde_json::to_vec(&extra).expect("extras hold only what JSON can hold").into());
    job
}

/// How `job` ended.
#[must_use]
pub fn done(job: &JobRow, state: JobState) -> DoneRow {
    DoneRow {
        job: job.id,
        tenant: job.tenant,
        lane: job.lane,
        state,
        at: job.created_at.plus_ms(1_000),
        seq: job.seq + 1_000_000,
        attempt: 2,
        epoch: 1,
        report: None,
        output: None,
    }
}

/// A key that made job `n`.
#[must_use]
pub fn key(n: u8, moment: Timestamp) -> KeyRow {
    KeyRow { tenant: TENANT, key: [n; 16], fingerprint: [n ^ 0xFF; 16], jobs: vec![job_id(u64::from(n))], at: moment }
}

/// The dead letter of `job`.
#[must_use]
pub fn dead_letter(job: &JobRow, moment: Timestamp) -> DeadLetterRow {
    DeadLetterRow {
        job: job.id,
        tenant: job.tenant,
        lane: job.lane,
        at: moment,
        cause: "tries_spent".to_owned(),
        error: JobError::own("handler", "it broke", false),
        attempts: 5,
    }
}

/// The settlement of `job`'s dead letter.
#[must_use]
pub fn settlement(job: &JobRow, replayed_as: Option<JobId>) -> SettlementRow {
    SettlementRow {
        job: job.id,
        tenant: job.tenant,
        at: at(5_000),
        by: "token:ops".to_owned(),
        reason: Some("looked at it".to_owned()),
        replayed_as,
    }
}

/// A checkpoint of an attempt at `job`.
#[must_use]
pub fn checkpoint(job: &JobRow, attempt: u32, data: &str) -> CheckpointRow {
    let data = Bytes::copy_from_slice(data.as_bytes());
    CheckpointRow { job: job.id, tenant: job.tenant, attempt, at: at(u64::from(attempt)), data }
}

/// Log lines of an attempt at `job`.
#[must_use]
pub fn log(job: &JobRow, attempt: u32, order: u64) -> LogRow {
    let lines = Bytes::from(format!("[{{\"message\":\"{attempt}.{order}\"}}]"));
    LogRow { job: job.id, tenant: job.tenant, attempt, order, at: at(order), lines }
}

/// An artifact of an attempt at `job`.
#[must_use]
pub fn artifact(job: &JobRow, attempt: u32, digest: char) -> ArtifactRow {
    let sha256 = digest.to_string().repeat(64);
    ArtifactRow {
        tenant: job.tenant,
        job: job.id,
        attempt,
        at: at(u64::from(attempt)),
        artifact: ArtifactRef {
            media_type: "application/json".to_owned(),
            uri: format!("artifact:{sha256}"),
            sha256,
            size_bytes: 12,
        },
    }
}

/// A run's id; rises with `n`.
#[must_use]
pub fn run_id(n: u64) -> RunId {
    RunId::v7(at(n), u128::from(n))
}

/// A run with seq `n` of `TENANT`.
#[must_use]
pub fn run(n: u64) -> RunRow {
    RunRow {
        tenant: TENANT,
        id: run_id(n),
        seq: n,
        at: at(n),
        graph: "nightly".to_owned(),
        version: 1,
        spec: RunSpec { inputs: format!("{{\"n\":{n}}}"), ..RunSpec::default() },
    }
}

/// How `run` ended.
#[must_use]
pub fn run_end(run: &RunRow, outcome: RunOutcome) -> RunEndRow {
    RunEndRow {
        tenant: run.tenant,
        id: run.id,
        seq: run.seq,
        at: run.at.plus_ms(1_000),
        outcome,
        course: Bytes::from(format!("{{\"of\":{}}}", run.seq)),
    }
}

/// The id of `backfill`.
#[must_use]
pub fn backfill_id(n: u64) -> BackfillId {
    BackfillId::v7(at(n), u128::from(n))
}

/// A backfill with seq `n` of `TENANT`, with every member.
#[must_use]
pub fn backfill(n: u64) -> BackfillRow {
    let job = ScheduledJob { job_type: "feeds.fetch".to_owned(), payload: "{}".to_owned(), ..ScheduledJob::default() };
    let spec = BackfillSpec {
        axis: Axis::Modified,
        by: "token:ops".to_owned(),
        from: at(0),
        job: Some(job),
        of: Some(backfill_id(90)),
        only: Some(vec![1, 7]),
        order: Order::NewestFirst,
        parallelism: 3,
        reason: "lost \"January\"".to_owned(),
        reprocess: Reprocess::MissingAndFailed,
        source: "kev".to_owned(),
        ticket: "T-1".to_owned(),
        to: at(9_000_000),
        ..BackfillSpec::default()
    };
    BackfillRow { tenant: TENANT, id: backfill_id(n), seq: n, at: at(n), spec }
}

/// How `backfill` ended.
#[must_use]
pub fn backfill_end(row: &BackfillRow) -> BackfillEndRow {
    let counts = Counts { canceled: 1, failed: 2, skipped: 3, succeeded: 4, total: 10 };
    let course = BackfillCourse { counts, failed: vec![0, 5] };
    BackfillEndRow { tenant: row.tenant, id: row.id, at: row.at.plus_ms(1_000), outcome: RunOutcome::Failed, course }
}

/// A block of `facts` facts.
#[must_use]
pub fn block(stream: Stream, first_seq: u64, facts: u64) -> Block {
    let mut writer = BlockWriter::new(stream, first_seq);
    for seq in first_seq..first_seq + facts {
        writer.push(&Record {
            at: at(seq),
            body: Fact::Resumed { by: format!("seq {seq}"), reason: None, target: PauseTarget::Tenant },
            config_version: 0,
            rules_version: RULES_VERSION,
            seq,
        });
    }
    writer.finish()
}

/// Announces a node.
///
/// # Panics
/// When the ledger refuses.
pub async fn announce(ledger: &Arc<dyn Ledger>, node: NodeId, lease_ms: u64) {
    let params = NodeParams { node, address: format!("http://{node}"), lease_ms };
    ledger.node_renew(&params).await.expect("a node can be announced");
}

/// An owner of a shard that numbers its commits and seqs.
pub struct Owner {
    /// Its ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Its shard.
    pub shard: ShardNo,
    /// Its node.
    pub node: NodeId,
    /// Its epoch.
    pub epoch: u64,
    /// The last commit's number.
    pub commit_no: u64,
    seqs: HashMap<Stream, u64>,
}

impl Owner {
    /// Node 1 takes `SHARD`.
    pub async fn first(ledger: &Arc<dyn Ledger>) -> Self {
        Self::take(ledger, SHARD, node(1)).await
    }

    /// Announces `node` and takes `shard` over; goes on after its last commit.
    ///
    /// # Panics
    /// When somebody else has it.
    pub async fn take(ledger: &Arc<dyn Ledger>, shard: ShardNo, node: NodeId) -> Self {
        announce(ledger, node, LONG_MS).await;
        let taken = ledger.shard_take_over(shard, node).await.expect("a take-over is answered");
        let TakeOver::Taken(ownership) = taken else { panic!("shard {} is held: {taken:?}", shard.0) };
        let mut owner = Self {
            ledger: Arc::clone(ledger),
            shard,
            node,
            epoch: ownership.epoch,
            commit_no: 0,
            seqs: HashMap::new(),
        };
        for commit in ledger.tail_read(shard, 0, 1_000_000).await.expect("the tail is read") {
            owner.commit_no = commit.commit_no;
            for block in commit.blocks {
                owner.seqs.insert(block.stream, block.last_seq);
            }
        }
        owner
    }

    /// An empty next commit.
    #[must_use]
    pub fn next(&self) -> Append {
        Append { shard: self.shard, epoch: self.epoch, commit_no: self.commit_no + 1, ..Append::default() }
    }

    /// The next block of a stream.
    pub fn block(&mut self, stream: Stream, facts: u64) -> Block {
        let last = self.seqs.entry(stream).or_default();
        let block = block(stream, *last + 1, facts);
        *last = block.last_seq;
        block
    }

    /// The next commit, with a fact of `TENANT`'s.
    pub fn with_fact(&mut self) -> Append {
        let blocks = vec![self.block(TENANT.into(), 1)];
        Append { blocks, ..self.next() }
    }

    /// Writes a commit that must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn write(&mut self, append: &Append) {
        self.try_write(append).await.expect("the owner's commit is written");
    }

    /// Writes a commit.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn try_write(&mut self, append: &Append) -> Result<(), StoreError> {
        self.ledger.append(append).await?;
        self.commit_no = append.commit_no;
        Ok(())
    }

    /// Writes jobs and ends with a fact.
    pub async fn write_jobs(&mut self, jobs: &[JobRow], done: &[DoneRow]) {
        let append = Append { jobs: jobs.to_vec(), done: done.to_vec(), ..self.with_fact() };
        self.write(&append).await;
    }
}
