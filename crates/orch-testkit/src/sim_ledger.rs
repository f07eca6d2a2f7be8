//! A ledger in memory with the semantics of the port, stepped by hand: an append begins, stays open, and becomes
//! visible (or never does) at moments that the world chooses. It keeps no clock and takes no chances.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::ids::{Incarnation, JobId, LaneNo, NodeId, ShardNo, TenantNo};
use orch_core::port::{
    Append, CheckpointRow, Commit, DeadLetterRow, DoneRow, JobFound, JobRow, KeyRow, Ownership, Renewal, SettlementRow,
    SnapshotRow, StoreError, TakeOver, WindowParams, WindowRow,
};
use orch_core::time::Timestamp;
use orch_dispatch::KeyWish;
use orch_dispatch::answer::Needed;
use orch_dispatch::prepared::{Needs, Prepared};

/// An append that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppendId(pub u64);

#[derive(Debug)]
struct Node {
    alive_until: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Owner {
    node: Option<NodeId>,
    epoch: u64,
}

/// The ledger of one shard.
#[derive(Debug)]
pub struct SimLedger {
    shard: ShardNo,
    incarnation: Incarnation,
    nodes: BTreeMap<NodeId, Node>,
    owner: Owner,
    next_append: u64,
    open: BTreeMap<AppendId, Box<Append>>,
    sent: BTreeSet<AppendId>,
    commits: Vec<Commit>,
    snapshot: Option<SnapshotRow>,
    jobs: BTreeMap<(TenantNo, JobId), JobRow>,
    fresh: BTreeMap<(TenantNo, LaneNo), BTreeMap<u64, JobId>>,
    done: BTreeMap<(TenantNo, JobId), DoneRow>,
    keys: BTreeMap<(TenantNo, [u8; 16]), Vec<KeyRow>>,
    dead_letters: BTreeMap<(TenantNo, JobId), DeadLetterRow>,
    settlements: BTreeMap<(TenantNo, JobId), SettlementRow>,
    checkpoints: BTreeMap<(TenantNo, JobId), CheckpointRow>,
    logs: BTreeSet<(TenantNo, JobId, u32, u64)>,
}

impl SimLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new(shard: ShardNo, incarnation: Incarnation) -> Self {
        Self {
            shard,
            incarnation,
            nodes: BTreeMap::new(),
            owner: Owner { node: None, epoch: 0 },
            next_append: 0,
            open: BTreeMap::new(),
            sent: BTreeSet::new(),
            commits: Vec::new(),
            snapshot: None,
            jobs: BTreeMap::new(),
            fresh: BTreeMap::new(),
            done: BTreeMap::new(),
            keys: BTreeMap::new(),
            dead_letters: BTreeMap::new(),
            settlements: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            logs: BTreeSet::new(),
        }
    }

    /// `node_renew`, executed at `now` by the database's clock.
    pub fn node_renew(&mut self, node: NodeId, lease_ms: u64, now: Timestamp) -> Renewal {
        self.nodes.insert(node, Node { alive_until: now.plus_ms(lease_ms) });
        let owned = (self.owner.node == Some(node)).then_some((self.shard, self.owner.epoch));
        Renewal { now, owned: owned.into_iter().collect() }
    }

    /// Another node than `node` that is alive and has the shard, and for how long.
    #[must_use]
    pub fn held(&self, node: NodeId, now: Timestamp) -> Option<(NodeId, u64)> {
        let owner = self.owner.node.filter(|owner| *owner != node)?;
        let alive = self.nodes.get(&owner).filter(|alive| alive.alive_until > now)?;
        Some((owner, alive.alive_until.ms_since(now)))
    }

    /// `shard_take_over`, executed at `now`. Appends that are still open are cut off; to let the take-over wait for
    /// them, commit them first.
    pub fn shard_take_over(&mut self, node: NodeId, now: Timestamp) -> TakeOver {
        if let Some((owner, for_ms)) = self.held(node, now) {
            return TakeOver::Held { node: owner, address: owner.to_string(), for_ms };
        }
        self.open.clear();
        self.sent.clear();
        self.owner = Owner { node: Some(node), epoch: self.owner.epoch + 1 };
        TakeOver::Taken(Ownership { shard: self.shard, epoch: self.owner.epoch, now, incarnation: self.incarnation })
    }

    /// `shard_release`.
    pub fn shard_release(&mut self, node: NodeId, epoch: u64) {
        if self.owner.node == Some(node) && self.owner.epoch == epoch {
            self.owner.node = None;
        }
    }

    /// Who owns the shard by its row.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.owner.epoch
    }

    /// The append reaches the database and takes the fence's lock.
    ///
    /// # Errors
    /// `Stale` when the shard has another epoch, or nobody.
    pub fn append_begin(&mut self, append: Box<Append>) -> Result<AppendId, StoreError> {
        if append.epoch != self.owner.epoch || self.owner.node.is_none() {
            return Err(StoreError::Stale);
        }
        self.next_append += 1;
        let id = AppendId(self.next_append);
        self.open.insert(id, append);
        Ok(id)
    }

    /// The append's connection dies before its commit.
    pub fn append_abort(&mut self, id: AppendId) {
        self.open.remove(&id);
    }

    /// The append's commit is on its way.
    pub fn append_sent(&mut self, id: AppendId) {
        self.sent.insert(id);
    }

    /// Open appends whose commit is on its way: nobody needs to do anything more for them.
    #[must_use]
    pub fn sent(&self) -> Vec<AppendId> {
        self.open.keys().filter(|id| self.sent.contains(id)).copied().collect()
    }

    /// Appends that hold the fence's lock now.
    #[must_use]
    pub fn open(&self) -> Vec<AppendId> {
        self.open.keys().copied().collect()
    }

    /// The append becomes visible. `None` when it was aborted before.
    ///
    /// # Errors
    /// `Corrupt` when a constraint is hit.
    pub fn append_commit(&mut self, id: AppendId) -> Result<Option<Box<Append>>, StoreError> {
        self.sent.remove(&id);
        let Some(append) = self.open.remove(&id) else { return Ok(None) };
        self.check(&append).map_err(StoreError::Corrupt)?;
        self.commits.push(Commit { commit_no: append.commit_no, blocks: append.blocks.clone() });
        for row in &append.jobs {
            if row.fresh {
                self.fresh.entry((row.tenant, row.lane)).or_default().insert(row.seq, row.id);
            }
            self.jobs.insert((row.tenant, row.id), row.clone());
        }
        for row in &append.done {
            self.done.insert((row.tenant, row.job), row.clone());
        }
        for row in &append.keys {
            self.keys.entry((row.tenant, row.key)).or_default().push(row.clone());
        }
        self.dead_letters.extend(append.dead_letters.iter().map(|row| ((row.tenant, row.job), row.clone())));
        self.settlements.extend(append.settlements.iter().map(|row| ((row.tenant, row.job), row.clone())));
        self.checkpoints.extend(append.checkpoints.iter().map(|row| ((row.tenant, row.job), row.clone())));
        self.logs.extend(append.logs.iter().map(|row| (row.tenant, row.job, row.attempt, row.order)));
        if let Some(snapshot) = &append.snapshot {
            self.snapshot = Some(snapshot.clone());
        }
        Ok(Some(append))
    }

    /// The constraints of the tables.
    fn check(&self, append: &Append) -> Result<(), String> {
        let next = self.commits.len() as u64 + 1;
        if append.commit_no != next {
            return Err(format!("commit {} came where {next} belongs", append.commit_no));
        }
        let mut ids = BTreeSet::new();
        for row in &append.jobs {
            if self.jobs.contains_key(&(row.tenant, row.id)) || !ids.insert((row.tenant, row.id)) {
                return Err(format!("{} was accepted twice", row.id));
            }
        }
        let mut ends = BTreeSet::new();
        for row in &append.done {
            if self.done.contains_key(&(row.tenant, row.job)) || !ends.insert((row.tenant, row.job)) {
                return Err(format!("{} ended twice", row.job));
            }
            let known = self.jobs.contains_key(&(row.tenant, row.job)) || ids.contains(&(row.tenant, row.job));
            if !known {
                return Err(format!("{} ended and was never accepted", row.job));
            }
        }
        let mut chunks = BTreeSet::new();
        for row in &append.logs {
            let chunk = (row.tenant, row.job, row.attempt, row.order);
            if self.logs.contains(&chunk) || !chunks.insert(chunk) {
                return Err(format!("two log chunks of {} under order {}", row.job, row.order));
            }
        }
        for row in &append.settlements {
            if self.settlements.contains_key(&(row.tenant, row.job)) {
                return Err(format!("the dead letter of {} was settled twice", row.job));
            }
        }
        Ok(())
    }

    /// Number of the last visible commit.
    #[must_use]
    pub fn last_commit(&self) -> u64 {
        self.commits.len() as u64
    }

    /// `snapshot_get` and `tail_read` of everything behind it.
    #[must_use]
    pub fn recovery(&self) -> (Option<SnapshotRow>, Vec<Commit>) {
        let after = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.commit_no);
        (self.snapshot.clone(), self.tail(after))
    }

    /// `tail_read`.
    #[must_use]
    pub fn tail(&self, after: u64) -> Vec<Commit> {
        self.commits.iter().skip(usize::try_from(after).unwrap_or(usize::MAX)).cloned().collect()
    }

    /// `job_lookup` and `key_lookup`, for a command.
    #[must_use]
    pub fn prepare(&self, needs: &Needs, keys_since: Timestamp) -> Prepared {
        let Some(tenant) = needs.tenant else { return Prepared::default() };
        let jobs = needs.jobs.iter().filter_map(|id| Some((*id, self.job(tenant, *id)?))).collect();
        let keys = needs.keys.iter().filter_map(|key| {
            let rows = self.keys.get(&(tenant, *key))?;
            Some((*key, rows.iter().rev().find(|row| row.at >= keys_since)?.clone()))
        });
        Prepared { jobs, keys: keys.collect() }
    }

    /// `key_page` of a wish; days are those of the keys' last use.
    #[must_use]
    pub fn key_page(&self, wish: &KeyWish) -> Vec<[u8; 16]> {
        let day = |row: &KeyRow| row.at.millis() / 86_400_000 == i64::from(wish.from.day);
        let theirs = self.keys.range((wish.tenant, wish.from.key)..=(wish.tenant, [u8::MAX; 16]));
        theirs.filter(|(_, rows)| rows.iter().any(day)).map(|((_, key), _)| *key).take(wish.limit).collect()
    }

    /// A job with its end.
    #[must_use]
    pub fn job(&self, tenant: TenantNo, id: JobId) -> Option<JobFound> {
        let job = self.jobs.get(&(tenant, id))?.clone();
        let done = self.done.get(&(tenant, id)).cloned();
        Some(JobFound { job, done, settled: self.settlements.contains_key(&(tenant, id)) })
    }

    /// An open job of the tenant that a rotation would remove if it went by its owner's word alone.
    #[must_use]
    pub fn unprotected(&self, tenant: TenantNo, needed: &Needed) -> Option<JobId> {
        let open = self.jobs.iter().filter(|(of, _)| of.0 == tenant && !self.done.contains_key(of));
        let above_head = |row: &JobRow| {
            let head = needed.heads.binary_search_by_key(&row.lane, |(lane, _)| *lane).map(|at| needed.heads[at].1);
            row.fresh && head.is_ok_and(|head| row.seq > head)
        };
        let mut left = open.filter(|(_, row)| !above_head(row) && needed.keep.binary_search(&row.id).is_err());
        left.next().map(|(_, row)| row.id)
    }

    /// `window_read` of one wish.
    #[must_use]
    pub fn window(&self, wish: &WindowParams) -> Vec<WindowRow> {
        let Some(lane) = self.fresh.get(&(wish.tenant, wish.lane)) else { return Vec::new() };
        let open = lane.range(wish.after + 1..).filter(|(_, id)| !self.done.contains_key(&(wish.tenant, **id)));
        let rows = open.take(wish.limit).map(|(seq, id)| {
            let row = &self.jobs[&(wish.tenant, *id)];
            WindowRow { job: *id, seq: *seq, payload: row.payload.clone(), extra: row.extra.clone() }
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests;
