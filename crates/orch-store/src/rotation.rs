//! Which jobs a rotation removes. The same for both databases.
//!
//! What must stay stays where it is, under the order key that it has; nothing is copied.

use std::collections::{BTreeMap, HashSet};

use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::port::RotateParams;
use uuid::Uuid;

use crate::codec::{ROWS_WALKED_MAX, limit};

/// What a rotation goes by.
pub struct Rotation {
    heads: BTreeMap<(TenantNo, LaneNo), u64>,
    before: i64,
    keep: HashSet<JobId>,
}

/// A job that was walked, with what decides whether it goes.
pub struct Walked {
    pub id: JobId,
    pub lane: LaneNo,
    pub seq: u64,
    pub fresh: bool,
    pub created_at: i64,
    pub ended: bool,
    pub open_letter: bool,
}

/// What becomes of a chunk.
pub struct Chunk {
    /// Old jobs that stay.
    pub kept: u64,
    /// Old jobs that go.
    pub going: Vec<JobId>,
    /// Where the next chunk begins, if there may be more.
    pub next: Option<JobId>,
}

impl Rotation {
    pub fn new(params: &RotateParams) -> Self {
        Self {
            heads: params.heads.iter().map(|(tenant, lane, head)| ((*tenant, *lane), *head)).collect(),
            before: params.before.millis(),
            keep: params.keep.iter().copied().collect(),
        }
    }

    /// The tenants with lanes to rotate.
    pub fn tenants(&self) -> Vec<TenantNo> {
        let mut tenants: Vec<TenantNo> = self.heads.keys().map(|(tenant, _)| *tenant).collect();
        tenants.dedup();
        tenants
    }

    /// Sorts a chunk of a tenant's jobs, which were walked by rising id.
    pub fn sort(&self, tenant: TenantNo, walked: &[Walked]) -> Chunk {
        let mut chunk = Chunk { kept: 0, going: Vec::new(), next: None };
        if limit(walked.len()) >= ROWS_WALKED_MAX {
            chunk.next = walked.last().map(|row| row.id);
        }
        for row in walked.iter().filter(|row| row.created_at < self.before) {
            match self.heads.get(&(tenant, row.lane)) {
                None => {}
                Some(head) if self.goes(row, *head) => chunk.going.push(row.id),
                Some(_) => chunk.kept += 1,
            }
        }
        chunk
    }

    /// What has no end never goes: at or below a head it is open and in its owner's memory.
    fn goes(&self, row: &Walked, head: u64) -> bool {
        let waits = row.fresh && row.seq > head;
        let needed = row.open_letter || self.keep.contains(&row.id);
        row.ended && !waits && !needed
    }
}

/// Below every job.
pub fn lowest() -> JobId {
    JobId(Uuid::nil())
}
