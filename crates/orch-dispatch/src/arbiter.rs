//! The arbiter's memory: whose turn it is among the tenants of a shard.
//!
//! Fair sharing by virtual time (start-time fair queuing, Goyal et al. 1996): the tenant with the least virtual time
//! is next; a turn adds what it granted. Each turn is a fact in the shard's own stream.

use std::collections::BTreeMap;

use orch_core::fact::{Fact, RULES_VERSION, Record};
use orch_core::ids::{Stream, TenantNo};
use orch_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::output::Output;

/// Jobs that a tenant gets in one turn while others wait.
pub(crate) const QUANTUM: usize = 64;

/// Virtual times of tenants.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Arbiter {
    pub seq: u64,
    pub vtime: u64,
    pub pass: BTreeMap<TenantNo, u64>,
}

impl Arbiter {
    /// The tenant's place in the order: idleness earns at most one turn.
    pub fn place(&self, tenant: TenantNo) -> u64 {
        let floor = self.vtime.saturating_sub(QUANTUM as u64);
        self.pass.get(&tenant).copied().unwrap_or(0).max(floor)
    }

    /// Records a turn.
    pub fn turn(&mut self, tenant: TenantNo, granted: usize, now: Timestamp, out: &mut Output) {
        let pass = self.place(tenant) + granted as u64;
        self.emit(Fact::Turn { granted: granted as u64, pass, tenant }, now, out);
    }

    /// Records that the commit holds rows without facts of their own, so that each commit stands in history.
    pub fn rows_kept(&mut self, now: Timestamp, out: &mut Output) {
        let (checkpoints, logs) = (out.rows.checkpoints.len() as u64, out.rows.logs.len() as u64);
        self.emit(Fact::RowsKept { checkpoints, logs }, now, out);
    }

    fn emit(&mut self, body: Fact, now: Timestamp, out: &mut Output) {
        let record = Record { at: now, body, config_version: 0, rules_version: RULES_VERSION, seq: self.seq + 1 };
        self.apply(&record);
        out.record(Stream::ARBITER, &record);
    }

    /// Changes the state by one fact of the shard's stream.
    pub fn apply(&mut self, record: &Record) {
        debug_assert_eq!(record.seq, self.seq + 1, "the shard's own sequence has no gaps");
        self.seq = record.seq;
        if let Fact::Turn { granted, pass, tenant } = &record.body {
            self.vtime = self.vtime.max(pass.saturating_sub(*granted));
            self.pass.insert(*tenant, *pass);
        }
    }
}
