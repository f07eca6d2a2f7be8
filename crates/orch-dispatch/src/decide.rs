//! The desk at which a command is decided: one tenant, the output, and the moment. `emit` writes a fact and applies it.

use std::collections::BTreeMap;

use orch_core::fact::{Fact, RULES_VERSION, Record};
use orch_core::ids::{Incarnation, JobId, SessionId, ShardNo, Stream};
use orch_core::job::sha256_hex;
use orch_core::lease::Token;
use orch_core::time::Timestamp;

use crate::lane::Held;
use crate::output::Output;
use crate::prepared::Prepared;
use crate::session::Session;
use crate::shard::Sizes;
use crate::tenant::Tenant;
use crate::wheel::Wheel;

/// What is the same for a whole command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub now: Timestamp,
    pub shard: ShardNo,
    pub epoch: u64,
    pub incarnation: Incarnation,
    /// The number that the commit being filled will have.
    pub commit: u64,
}

/// One tenant's desk.
pub(crate) struct Desk<'a> {
    pub tenant: &'a mut Tenant,
    pub wheel: &'a mut Wheel,
    pub sessions: &'a BTreeMap<SessionId, Session>,
    pub out: &'a mut Output,
    pub held: &'a mut Held,
    pub sizes: Sizes,
    pub at: Moment,
    pub prepared: &'a Prepared,
    /// The job whose report is being taken: it ends by itself, whatever its follow-ups do to others of its key.
    pub completes: Option<JobId>,
    /// Jobs that new ones of their keys may still take the place of.
    pub supersedes: usize,
}

impl Desk<'_> {
    /// Writes a fact and applies it; returns its seq.
    pub fn emit(&mut self, body: Fact) -> u64 {
        let record = Record {
            at: self.at.now,
            body,
            config_version: self.tenant.config_version,
            rules_version: RULES_VERSION,
            seq: self.tenant.seq + 1,
        };
        self.tenant.apply(&record, self.wheel);
        self.out.record(Stream::from(self.tenant.no), &record);
        record.seq
    }

    /// A number that is the same each time for the same thing of this tenant, and for no other: what ids are made of that
    /// nobody gave.
    pub fn chance(&self, of: impl std::fmt::Display) -> u128 {
        let digest = sha256_hex(format!("{}/{of}", self.tenant.id).as_bytes());
        u128::from_str_radix(&digest[..32], 16).unwrap_or_default()
    }

    /// The token of an attempt granted under `epoch`.
    pub fn token(&self, job: JobId, epoch: u64, attempt: u32) -> Token {
        Token { incarnation: self.at.incarnation, shard: self.at.shard, epoch, tenant: self.tenant.no, job, attempt }
    }
}
