//! The append: one commit, fenced, on a connection of its own.
//!
//! One statement when only history, jobs, ends and keys are written; a transaction around the same statement when
//! there is more, or when the commit before is still under way on the other connection: then both carry their rows at
//! once, and the later one commits when the earlier one has, or not at all.
//! After anything but success or a fence that did not hold, the connection is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use orch_core::ids::ShardNo;
use orch_core::port::{Append, StoreError};
use sqlx::postgres::{PgBindIterExt, PgConnectOptions};
use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::rare;
use super::session::{self, Duty, Identity, store_error};
use crate::codec::{self, day, pack_ids, signed, small};

/// Appends of one shard that may be under way: two use two of the database's processes, and more gained nothing.
pub const APPENDS_AT_ONCE: usize = 2;

/// Each connection's statement that names it in the shard's row.
const REGISTER: [&str; APPENDS_AT_ONCE] = [
    include_str!("../../sql/postgres/shard_owner/register.sql"),
    include_str!("../../sql/postgres/shard_owner/register_second.sql"),
];

/// Longer than the sum of the server's own time-outs in any commit that can still succeed.
const APPEND_TIMEOUT: Duration = Duration::from_secs(10);

/// The append connections, two a shard: a shard that is slow or given up holds no other up.
pub struct Appenders {
    options: PgConnectOptions,
    commit: &'static str,
    shards: StdMutex<HashMap<ShardNo, Arc<Appender>>>,
}

impl Appenders {
    pub fn new(options: PgConnectOptions, commit: &'static str) -> Self {
        Self { options, commit, shards: StdMutex::default() }
    }

    /// The shard's.
    pub fn of(&self, shard: ShardNo) -> Arc<Appender> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Appender::new(self.options.clone(), self.commit));
        Arc::clone(shards.entry(shard).or_insert_with(new))
    }

    /// Closes the shard's connections, once no append uses them: before a take-over by this node, whose end of the old
    /// owner's connections would otherwise meet our own, and when the shard is given up.
    pub async fn leave(&self, shard: ShardNo) {
        let appender = self.shards.lock().unwrap_or_else(PoisonError::into_inner).remove(&shard);
        if let Some(appender) = appender {
            for session in &appender.sessions {
                *session.lock().await = None;
            }
        }
    }
}

/// A shard's append connections, and the statement that they use.
pub struct Appender {
    options: PgConnectOptions,
    commit: &'static str,
    /// The second one is for a commit that begins while the first one is in use.
    sessions: [Mutex<Option<Session>>; APPENDS_AT_ONCE],
    line: watch::Sender<Line>,
}

/// How far the shard's appends have come.
#[derive(Clone, Copy, Default)]
struct Line {
    /// The last one that began, and its connection.
    begun: u64,
    connection: usize,
    /// The last one that ended, and whether it is committed.
    ended: (u64, bool),
}

/// An append's place in the line. Whatever becomes of it, who waits behind it is told.
struct Turn<'a> {
    line: &'a watch::Sender<Line>,
    commit_no: u64,
    connection: usize,
    committed: bool,
    /// Where to hear of the commit before, if that is still under way.
    before: Option<watch::Receiver<Line>>,
}

impl<'a> Turn<'a> {
    fn begin(line: &'a watch::Sender<Line>, commit_no: u64) -> Self {
        let (mut follows, mut connection) = (false, 0);
        line.send_modify(|line| {
            follows = line.begun + 1 == commit_no && line.ended.0 != line.begun;
            connection = if follows { (line.connection + 1) % APPENDS_AT_ONCE } else { 0 };
            (line.begun, line.connection) = (commit_no, connection);
        });
        Self { line, commit_no, connection, committed: false, before: follows.then(|| line.subscribe()) }
    }

    /// Waits for the end of the commit before; whether it is committed.
    async fn may_commit(&mut self) -> bool {
        let before = self.commit_no - 1;
        let Some(line) = &mut self.before else { return true };
        line.wait_for(|line| line.ended.0 == before).await.is_ok_and(|line| line.ended.1)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.line.send_modify(|line| line.ended = (self.commit_no, self.committed));
    }
}

struct Session {
    connection: PgConnection,
    identity: Identity,
    /// The statement that names it in the shard's row.
    register: &'static str,
    /// The epoch under which the shard's row names this backend.
    registered: Option<u64>,
}

/// What the fenced statement found.
enum Fenced {
    Written,
    Stale,
    OutOfLine,
    /// The commit before it failed.
    Orphan,
}

impl Appender {
    fn new(options: PgConnectOptions, commit: &'static str) -> Self {
        Self { options, commit, sessions: std::array::from_fn(|_| Mutex::new(None)), line: watch::Sender::default() }
    }

    /// Writes one commit. The connection is out of its place while it is used: whoever drops this future, or meets
    /// an error, drops the connection with it.
    pub async fn append(&self, append: &Append) -> Result<(), StoreError> {
        let mut turn = Turn::begin(&self.line, append.commit_no);
        let mut place = self.sessions[turn.connection].lock().await;
        let mut session = match place.take() {
            Some(session) => session,
            None => self.open(REGISTER[turn.connection]).await?,
        };
        let writing = session.write(append, self.commit, &mut turn);
        let outcome = session::within(APPEND_TIMEOUT, "an append", writing).await?;
        *place = Some(session);
        match outcome {
            Fenced::Written => {
                turn.committed = true;
                Ok(())
            }
            Fenced::Stale => Err(StoreError::Stale),
            Fenced::Orphan => Err(StoreError::Unavailable("the commit before it failed".to_owned())),
            Fenced::OutOfLine => Err(StoreError::Corrupt(format!(
                "commit {} of shard {} does not follow the last one",
                append.commit_no, append.shard.0
            ))),
        }
    }

    async fn open(&self, register: &'static str) -> Result<Session, StoreError> {
        let mut connection = session::open(&self.options, Duty::Append).await?;
        let identity = session::identity(&mut connection).await.map_err(store_error)?;
        Ok(Session { connection, identity, register, registered: None })
    }
}

impl Session {
    async fn write(
        &mut self,
        append: &Append,
        commit: &'static str,
        turn: &mut Turn<'_>,
    ) -> Result<Fenced, sqlx::Error> {
        if !self.register(append.shard, append.epoch).await? {
            return Ok(Fenced::Stale);
        }
        let follows = turn.before.is_some();
        if !follows && !codec::has_rare_rows(append) {
            return fenced(&mut self.connection, append, commit, follows).await;
        }
        let mut tx = self.connection.begin().await?;
        let mut outcome = fenced(&mut tx, append, commit, follows).await?;
        if matches!(outcome, Fenced::Written) && !turn.may_commit().await {
            outcome = Fenced::Orphan;
        }
        if matches!(outcome, Fenced::Written) {
            // These may touch rows that the commit before has touched.
            if follows {
                add_totals(&mut tx, append).await?;
            }
            rare::insert(&mut tx, append).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(outcome)
    }

    /// Names this backend in the shard's row, once per epoch.
    async fn register(&mut self, shard: ShardNo, epoch: u64) -> Result<bool, sqlx::Error> {
        if self.registered == Some(epoch) {
            return Ok(true);
        }
        let named = sqlx::query(self.register)
            .bind(i32::from(shard.0))
            .bind(signed(epoch))
            .bind(self.identity.pid)
            .bind(self.identity.started)
            .execute(&mut self.connection)
            .await?
            .rows_affected();
        self.registered = (named == 1).then_some(epoch);
        Ok(named == 1)
    }
}

async fn add_totals(tx: &mut PgConnection, append: &Append) -> Result<(), sqlx::Error> {
    let done = &append.done;
    if done.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/postgres/done_total/add.sql"))
        .bind(done.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(done.iter().map(|row| row.lane.in_ledger(row.tenant)).bind_iter())
        .bind(done.iter().map(|row| row.state.number()).bind_iter())
        .execute(tx)
        .await
        .map(drop)
}

struct HistoryRow<'a> {
    stream: i32,
    first_seq: i64,
    last_seq: i64,
    at: i64,
    facts: &'a [u8],
    leaves: &'a [u8],
}

/// The blocks' rows; a commit without blocks has one that says so.
fn history_rows(append: &Append) -> Vec<HistoryRow<'_>> {
    if append.blocks.is_empty() {
        let stream = codec::EMPTY_STREAM;
        return vec![HistoryRow { stream, first_seq: 0, last_seq: 0, at: 0, facts: &[], leaves: &[] }];
    }
    append
        .blocks
        .iter()
        .map(|block| HistoryRow {
            stream: small(block.stream.0),
            first_seq: signed(block.first_seq),
            last_seq: signed(block.last_seq),
            at: block.at.millis(),
            facts: &block.facts,
            leaves: &block.leaves,
        })
        .collect()
}

/// The statement of every commit. The order of arguments is in its header.
async fn fenced(
    connection: &mut PgConnection,
    append: &Append,
    commit: &'static str,
    follows: bool,
) -> Result<Fenced, sqlx::Error> {
    let (history, jobs, done) = (history_rows(append), &append.jobs, &append.done);
    // In the order of their index, which they would else enter at random.
    let mut keys: Vec<_> = append.keys.iter().collect();
    keys.sort_unstable_by_key(|row| (row.tenant, row.key));
    let (held, next): (bool, bool) = sqlx::query_as(commit)
        .bind(i32::from(append.shard.0))
        .bind(signed(append.epoch))
        .bind(signed(append.commit_no))
        .bind(history.iter().map(|row| row.stream).bind_iter())
        .bind(history.iter().map(|row| row.first_seq).bind_iter())
        .bind(history.iter().map(|row| row.last_seq).bind_iter())
        .bind(history.iter().map(|row| row.at).bind_iter())
        .bind(history.iter().map(|row| row.facts).bind_iter())
        .bind(history.iter().map(|row| row.leaves).bind_iter())
        .bind(jobs.iter().map(|row| row.id.0).bind_iter())
        .bind(jobs.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(jobs.iter().map(|row| row.lane.in_ledger(row.tenant)).bind_iter())
        .bind(jobs.iter().map(|row| signed(row.seq)).bind_iter())
        .bind(jobs.iter().map(|row| row.fresh).bind_iter())
        .bind(jobs.iter().map(|row| row.created_at.millis()).bind_iter())
        .bind(jobs.iter().map(|row| slice(row.extra.as_ref())).bind_iter())
        .bind(jobs.iter().map(|row| &row.payload[..]).bind_iter())
        .bind(done.iter().map(|row| row.job.0).bind_iter())
        .bind(done.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(done.iter().map(|row| row.lane.in_ledger(row.tenant)).bind_iter())
        .bind(done.iter().map(|row| row.state.number()).bind_iter())
        .bind(done.iter().map(|row| row.at.millis()).bind_iter())
        .bind(done.iter().map(|row| signed(row.seq)).bind_iter())
        .bind(done.iter().map(|row| small(row.attempt)).bind_iter())
        .bind(done.iter().map(|row| signed(row.epoch)).bind_iter())
        .bind(done.iter().map(|row| row.report.map(Uuid::from_bytes)).bind_iter())
        .bind(done.iter().map(|row| slice(row.output.as_ref())).bind_iter())
        .bind(keys.iter().map(|row| day(row.at)).bind_iter())
        .bind(keys.iter().map(|row| small(row.tenant.0)).bind_iter())
        .bind(keys.iter().map(|row| Uuid::from_bytes(row.key)).bind_iter())
        .bind(keys.iter().map(|row| Uuid::from_bytes(row.fingerprint)).bind_iter())
        .bind(keys.iter().map(|row| pack_ids(&row.jobs)).bind_iter())
        .bind(keys.iter().map(|row| row.at.millis()).bind_iter())
        .bind(follows)
        .fetch_one(connection)
        .await?;
    Ok(match (held, next) {
        (true, true) => Fenced::Written,
        (true, false) => Fenced::OutOfLine,
        (false, _) => Fenced::Stale,
    })
}

fn slice(bytes: Option<&Bytes>) -> Option<&[u8]> {
    bytes.map(|bytes| &bytes[..])
}
