//! Rotation: finished jobs that nobody needs any more go, chunk by chunk, between two appends.
//!
//! What must stay stays where it is, under the order key that it has; nothing is copied.

use std::collections::{BTreeMap, HashSet};

use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::port::{RotateParams, StoreError};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::connection::store_error;
use super::reads::all;
use super::rows;
use crate::codec::{ROWS_WALKED_MAX, lane_of, limit, unsigned};

/// What a rotation goes by.
pub struct Rotation {
    heads: BTreeMap<(TenantNo, LaneNo), u64>,
    before: i64,
    keep: HashSet<JobId>,
}

/// A finished chunk.
pub struct Chunk {
    /// Old jobs that stayed.
    pub kept: u64,
    /// Old jobs that went.
    pub removed: u64,
    /// Where the next chunk begins, if there may be more.
    pub next: Option<JobId>,
}

struct Walked {
    id: JobId,
    lane: LaneNo,
    seq: u64,
    fresh: bool,
    created_at: i64,
    ended: bool,
    open_letter: bool,
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

    /// One chunk of a tenant's jobs, in a transaction of its own.
    pub fn chunk(&self, connection: &mut Connection, tenant: TenantNo, above: JobId) -> Result<Chunk, StoreError> {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
        let walk = include_str!("../../sql/sqlite/job/rotate_walk.sql");
        let found = all(&tx, walk, params![tenant.0, &above.0.as_bytes()[..]], walked)?;
        let mut chunk = Chunk { kept: 0, removed: 0, next: None };
        if limit(found.len()) >= ROWS_WALKED_MAX {
            chunk.next = found.last().map(|row| row.id);
        }
        for row in found {
            let head = self.heads.get(&(tenant, row.lane)).filter(|_| row.created_at < self.before);
            let Some(head) = head else { continue };
            if self.goes(&row, *head) {
                remove(&tx, tenant, row.id).map_err(store_error)?;
                chunk.removed += 1;
            } else {
                chunk.kept += 1;
            }
        }
        tx.commit().map_err(store_error)?;
        Ok(chunk)
    }

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

fn walked(row: &Row<'_>) -> Result<Walked, StoreError> {
    Ok(Walked {
        id: rows::job_id(row, 0)?,
        lane: lane_of(rows::get(row, 1)?),
        seq: unsigned(rows::get(row, 2)?)?,
        fresh: rows::get(row, 3)?,
        created_at: rows::get(row, 4)?,
        ended: rows::get(row, 5)?,
        open_letter: rows::get(row, 6)?,
    })
}

fn remove(tx: &Transaction<'_>, tenant: TenantNo, job: JobId) -> rusqlite::Result<()> {
    for statement in [
        include_str!("../../sql/sqlite/done/remove.sql"),
        include_str!("../../sql/sqlite/job_label/remove.sql"),
        include_str!("../../sql/sqlite/checkpoint/remove.sql"),
        include_str!("../../sql/sqlite/job/remove.sql"),
    ] {
        tx.prepare_cached(statement)?.execute(params![tenant.0, &job.0.as_bytes()[..]])?;
    }
    Ok(())
}
