//! Tenants and tokens.

use std::collections::BTreeMap;

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
}
