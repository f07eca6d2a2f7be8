//! Tenants and tokens.

use std::collections::BTreeMap;

use orch_core::allotment::Allotment;
use orch_core::fairness::Receipt;
use orch_core::ids::{ShardNo, TenantId, TenantNo};
use orch_core::port::TenantRow;
use orch_core::time::Timestamp;
use orch_dispatch::command::Read;
use orch_dispatch::{Answer, Command};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

impl Engine {
    /// Makes a tenant.
    ///
    /// # Errors
    /// When the name is taken.
    pub async fn create_tenant(&self, name: &str) -> Result<TenantRow, Error> {
        let row = TenantRow {
            no: TenantNo::SYSTEM,
            id: TenantId(self.new_job_id().0),
            name: name.to_owned(),
            shard: ShardNo(0),
            created_at: self.now(),
        };
        match self.command(Command::CreateTenant(row)).await? {
            Answer::Tenant(row) => Ok(row),
            answer => Err(unexpected(&answer)),
        }
    }

    /// The tenants that are marked for deletion, and until when they can be restored.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn tenant_marks(&self) -> Result<BTreeMap<TenantNo, Timestamp>, Error> {
        match self.command(Command::Read(Read::Marks)).await? {
            Answer::Marks(marks) => Ok(marks.into_iter().collect()),
            answer => Err(unexpected(&answer)),
        }
    }

    /// What tenants are allotted, for whom something was set.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn tenant_allotments(&self) -> Result<BTreeMap<TenantNo, Allotment>, Error> {
        match self.command(Command::Read(Read::Allotments)).await? {
            Answer::Allotments(all) => Ok(all.into_iter().map(|of| (of.tenant, of.allotment)).collect()),
            answer => Err(unexpected(&answer)),
        }
    }

    /// What a tenant was due and received: hours that are over, the latest last, and then the one that is not.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn fairness(&self, tenant: TenantNo) -> Result<Vec<Receipt>, Error> {
        match self.command(Command::Read(Read::Fairness(tenant))).await? {
            Answer::Fairness(receipts) => Ok(receipts),
            answer => Err(unexpected(&answer)),
        }
    }
}
