//! What a command needs to know that memory does not hold, and what the ledger answered.

use std::collections::BTreeMap;

use orch_core::ids::{JobId, TenantNo};
use orch_core::port::{JobFound, KeyRow};

/// What to read before a command can be applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whose.
    pub tenant: Option<TenantNo>,
    /// Jobs that memory does not hold.
    pub jobs: Vec<JobId>,
    /// Idempotency keys that memory does not hold.
    pub keys: Vec<[u8; 16]>,
}

impl Needs {
    /// Things to read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.jobs.len() + self.keys.len()
    }

    /// True when the command can be applied at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.keys.is_empty()
    }
}

/// What the ledger answered, as of the committed position at which the reading began.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// Jobs found.
    pub jobs: BTreeMap<JobId, JobFound>,
    /// Keys found.
    pub keys: BTreeMap<[u8; 16], KeyRow>,
}

/// What was read for one command, by tenant: a worker's report may speak of jobs of several.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    of: BTreeMap<TenantNo, Prepared>,
    nothing: Prepared,
}

impl Readings {
    /// Keeps what was read of a tenant.
    pub fn put(&mut self, tenant: TenantNo, prepared: Prepared) {
        self.of.insert(tenant, prepared);
    }

    /// What was read of a tenant.
    #[must_use]
    pub fn of(&self, tenant: TenantNo) -> &Prepared {
        self.of.get(&tenant).unwrap_or(&self.nothing)
    }
}
