//! The load: N jobs are enqueued, then granted and done, in commits of at most 4,096 facts.
//! It builds batches of rows, deliberately without knowing which database takes them.

use std::collections::VecDeque;
use std::io::Write as _;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::batch::{Batch, ByteColumn, Column, TableRows};
use crate::history::HistoryRows;
use crate::shape::{Shape, Window};

const TENANTS: usize = 16;
const LANES: usize = 64;
const FACTS_PER_COMMIT: usize = 4_096;
const PAYLOAD_BYTES: usize = 200;
const STARTED_AT_MS: i64 = 1_764_000_000_000;
const SESSION: &str = "ses_0198c3f1-7a31-7d02-9b52-3f6a2c1d9e80";

/// A job before it is enqueued.
#[derive(Debug)]
struct NewJob {
    id: Uuid,
    lane: usize,
    payload: Vec<u8>,
    fingerprint: [u8; 32],
    key: [u8; 16],
}

/// A job as a window read returns it.
#[derive(Debug)]
pub struct WaitingJob {
    /// Where it stands in its lane.
    pub order_key: i64,
    /// The job.
    pub id: Uuid,
    /// How many bytes a worker is sent.
    pub payload_bytes: usize,
}

/// The owner of the shard: makes commits, and remembers sequences, heads and windows.
#[derive(Debug)]
pub struct Owner {
    shape: Shape,
    commit_no: i64,
    fact_bytes: usize,
    seqs: Vec<i64>,
    tails: Vec<i64>,
    new_jobs: VecDeque<NewJob>,
    lanes: Vec<Lane>,
    granted: Vec<(usize, WaitingJob)>,
}

#[derive(Debug, Default)]
struct Lane {
    head: i64,
    exhausted: bool,
    window: VecDeque<WaitingJob>,
}

impl Owner {
    /// An owner with so many jobs still to enqueue; the same seed makes the same load.
    pub fn new(shape: Shape, jobs: usize, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        Self {
            shape,
            commit_no: 0,
            fact_bytes: 0,
            seqs: vec![0; TENANTS],
            tails: vec![0; LANES],
            new_jobs: (0..jobs).map(|index| new_job(index, &mut rng)).collect(),
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            granted: Vec::new(),
        }
    }

    /// The last commit that was built.
    pub fn commit_no(&self) -> i64 {
        self.commit_no
    }

    /// How many bytes of facts were built in all.
    pub fn fact_bytes(&self) -> usize {
        self.fact_bytes
    }

    /// The next commit of enqueues, until all jobs are in.
    pub fn enqueue(&mut self) -> Option<Batch> {
        let count = self.new_jobs.len().min(FACTS_PER_COMMIT);
        if count == 0 {
            return None;
        }
        self.commit_no += 1;
        let at = self.now();
        let mut history = HistoryRows::new(TENANTS);
        let mut rows = EnqueueRows::default();
        for job in self.new_jobs.drain(..count) {
            let tenant = tenant_of(job.lane);
            self.seqs[tenant] += 1;
            self.tails[job.lane] += 1;
            let (seq, order_key) = (self.seqs[tenant], self.tails[job.lane]);
            history.push(tenant, |text| enqueued_fact(text, &job, at, order_key, seq));
            rows.push(&job, at, order_key, seq);
        }
        self.fact_bytes += history.text_bytes();
        let mut tables = vec![history.into_rows(self.shape.history, self.commit_no, at, &self.seqs)];
        rows.into_tables(&self.shape, &mut tables);
        Some(Batch { commit_no: self.commit_no, tables })
    }

    /// A lane whose window is empty and may have more, with its head.
    pub fn hungry_lane(&self) -> Option<(usize, i64)> {
        let lane = self.lanes.iter().position(|lane| lane.window.is_empty() && !lane.exhausted)?;
        Some((lane, self.lanes[lane].head))
    }

    /// Takes what a window read returned.
    pub fn feed(&mut self, lane: usize, jobs: Vec<WaitingJob>) {
        let lane = &mut self.lanes[lane];
        match jobs.last() {
            Some(last) => lane.head = last.order_key,
            None => lane.exhausted = true,
        }
        lane.window.extend(jobs);
    }

    /// The next commit of work: it ends what the last one granted and grants as much again.
    pub fn work(&mut self) -> Option<Batch> {
        let ended = std::mem::take(&mut self.granted);
        let granted = self.take_waiting();
        if ended.is_empty() && granted.is_empty() {
            return None;
        }
        self.commit_no += 1;
        let at = self.now();
        let mut history = HistoryRows::new(TENANTS);
        let mut done = DoneRows::default();
        for (lane, job) in &ended {
            let tenant = tenant_of(*lane);
            self.seqs[tenant] += 1;
            let seq = self.seqs[tenant];
            history.push(tenant, |text| done_fact(text, job, at, seq));
            done.push(tenant, job, at, seq);
        }
        let mut leases = LeaseRows::default();
        for (lane, job) in &granted {
            let tenant = tenant_of(*lane);
            self.seqs[tenant] += 1;
            let seq = self.seqs[tenant];
            history.push(tenant, |text| granted_fact(text, *lane, job, at, seq));
            leases.push(*lane, job, at);
        }
        self.granted = granted;
        self.fact_bytes += history.text_bytes();
        let mut tables = vec![history.into_rows(self.shape.history, self.commit_no, at, &self.seqs)];
        tables.extend(done.into_table());
        if self.shape.lease {
            tables.extend(leases.into_table());
        }
        Some(Batch { commit_no: self.commit_no, tables })
    }

    fn take_waiting(&mut self) -> Vec<(usize, WaitingJob)> {
        let mut taken = Vec::with_capacity(FACTS_PER_COMMIT / 2);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let count = lane.window.len().min(FACTS_PER_COMMIT / 2 / LANES);
            taken.extend(lane.window.drain(..count).map(|job| (index, job)));
        }
        taken
    }

    fn now(&self) -> i64 {
        STARTED_AT_MS + self.commit_no * 20
    }
}

fn tenant_of(lane: usize) -> usize {
    lane * TENANTS / LANES
}

fn int4(value: usize) -> i32 {
    i32::try_from(value).expect("lanes and tenants are few")
}

fn new_job(index: usize, rng: &mut SmallRng) -> NewJob {
    let mut payload = format!(
        r#"{{"advisory":"CVE-2026-{:05}","ecosystem":"crates.io","etag":"{:032x}","page":{},"body":""#,
        rng.random_range(0..100_000),
        rng.random::<u128>(),
        rng.random_range(1..500),
    )
    .into_bytes();
    while payload.len() < PAYLOAD_BYTES - 2 {
        payload.push(b"0123456789abcdef"[rng.random_range(0..16)]);
    }
    payload.extend_from_slice(b"\"}");
    let fingerprint = Sha256::digest(&payload).into();
    NewJob { id: Uuid::now_v7(), lane: index % LANES, payload, fingerprint, key: rng.random() }
}

fn enqueued_fact(text: &mut Vec<u8>, job: &NewJob, at: i64, order_key: i64, seq: i64) {
    write!(
        text,
        r#"{{"at":{at},"config_version":12,"job":"{}","kind":"job_enqueued","lane":{},"order_key":{order_key},"payload":"#,
        job.id, job.lane
    )
    .expect("writing to memory does not fail");
    text.push(b'"');
    for byte in job.fingerprint {
        write!(text, "{byte:02x}").expect("writing to memory does not fail");
    }
    write!(text, r#"","rules_version":1,"seq":{seq},"source":"osv","type":"feeds.fetch"}}"#)
        .expect("writing to memory does not fail");
}

fn granted_fact(text: &mut Vec<u8>, lane: usize, job: &WaitingJob, at: i64, seq: i64) {
    write!(
        text,
        r#"{{"at":{at},"attempt":1,"config_version":12,"epoch":1,"job":"{}","kind":"lease_granted","lane":{lane},"order_key":{},"rules_version":1,"seq":{seq},"session":"{SESSION}","until":{}}}"#,
        job.id,
        job.order_key,
        at + 60_000
    )
    .expect("writing to memory does not fail");
}

fn done_fact(text: &mut Vec<u8>, job: &WaitingJob, at: i64, seq: i64) {
    write!(
        text,
        r#"{{"at":{at},"attempt":1,"config_version":12,"duration_ms":{},"job":"{}","kind":"job_succeeded","outcome":"succeeded","rules_version":1,"seq":{seq},"session":"{SESSION}","tries":1}}"#,
        job.payload_bytes, job.id
    )
    .expect("writing to memory does not fail");
}

#[derive(Default)]
struct EnqueueRows {
    id: Vec<Uuid>,
    tenant: Vec<i32>,
    lane: Vec<i64>,
    order_key: Vec<i64>,
    seq: Vec<i64>,
    created: Vec<i64>,
    spec: ByteColumn,
    payload: ByteColumn,
    key: ByteColumn,
    fingerprint: ByteColumn,
}

impl EnqueueRows {
    fn push(&mut self, job: &NewJob, at: i64, order_key: i64, seq: i64) {
        self.id.push(job.id);
        self.tenant.push(int4(tenant_of(job.lane)));
        self.lane.push(i64::from(int4(job.lane)));
        self.order_key.push(order_key);
        self.seq.push(seq);
        self.created.push(at);
        self.spec.push(
            br#"{"labels":{},"lease_ms":60000,"priority":"normal","source":"osv","tries":5,"type":"feeds.fetch"}"#,
        );
        self.payload.push(&job.payload);
        self.key.push(&job.key);
        self.fingerprint.push(&job.fingerprint);
    }

    fn into_tables(self, shape: &Shape, tables: &mut Vec<TableRows>) {
        let rows = self.id.len();
        let ready = (shape.window == Window::ReadyTable).then(|| TableRows {
            name: "ready",
            columns: vec![
                ("lane", Column::Int8(self.lane.clone())),
                ("order_key", Column::Int8(self.order_key.clone())),
                ("job", Column::Uuid(self.id.clone())),
            ],
            rows,
        });
        let keys = shape.keys.then(|| TableRows {
            name: "idempotency",
            columns: vec![
                ("tenant", Column::Int4(self.tenant.clone())),
                ("key", Column::Bytes(self.key)),
                ("job", Column::Uuid(self.id.clone())),
                ("fingerprint", Column::Bytes(self.fingerprint)),
            ],
            rows,
        });
        let columns = vec![
            ("id", Column::Uuid(self.id)),
            ("tenant", Column::Int4(self.tenant)),
            ("lane", Column::Int8(self.lane)),
            ("order_key", Column::Int8(self.order_key)),
            ("seq", Column::Int8(self.seq)),
            ("created", Column::Int8(self.created)),
            ("spec", Column::Bytes(self.spec)),
            ("payload", Column::Bytes(self.payload)),
        ];
        tables.push(TableRows { name: "job", columns, rows });
        tables.extend(ready);
        tables.extend(keys);
    }
}

#[derive(Default)]
struct DoneRows {
    job: Vec<Uuid>,
    tenant: Vec<i32>,
    at: Vec<i64>,
    seq: Vec<i64>,
}

impl DoneRows {
    fn push(&mut self, tenant: usize, job: &WaitingJob, at: i64, seq: i64) {
        self.job.push(job.id);
        self.tenant.push(int4(tenant));
        self.at.push(at);
        self.seq.push(seq);
    }

    fn into_table(self) -> Option<TableRows> {
        let rows = self.job.len();
        let columns = vec![
            ("job", Column::Uuid(self.job)),
            ("tenant", Column::Int4(self.tenant)),
            ("outcome", Column::Int2(vec![1; rows])),
            ("at", Column::Int8(self.at)),
            ("seq", Column::Int8(self.seq)),
            ("attempt", Column::Int4(vec![1; rows])),
        ];
        (rows > 0).then_some(TableRows { name: "done", columns, rows })
    }
}

#[derive(Default)]
struct LeaseRows {
    job: Vec<Uuid>,
    until: Vec<i64>,
    lane: Vec<i64>,
    order_key: Vec<i64>,
}

impl LeaseRows {
    fn push(&mut self, lane: usize, job: &WaitingJob, at: i64) {
        self.job.push(job.id);
        self.until.push(at + 60_000);
        self.lane.push(i64::from(int4(lane)));
        self.order_key.push(job.order_key);
    }

    fn into_table(self) -> Option<TableRows> {
        let rows = self.job.len();
        let columns = vec![
            ("job", Column::Uuid(self.job)),
            ("attempt", Column::Int4(vec![1; rows])),
            ("session", Column::Int8(vec![7; rows])),
            ("until", Column::Int8(self.until)),
            ("lane", Column::Int8(self.lane)),
            ("order_key", Column::Int8(self.order_key)),
        ];
        (rows > 0).then_some(TableRows { name: "lease", columns, rows })
    }
}

#[cfg(test)]
mod tests;
