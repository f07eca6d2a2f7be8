//! What workers ask: claims with all that a lease carries.

use std::collections::HashMap;

use bytes::Bytes;
use orch_core::ids::{JobId, TenantNo};
use orch_core::port::JobExtra;
use orch_dispatch::answer::{Carried, Grant};
use orch_dispatch::command::ClaimParams;
use orch_dispatch::{Answer, Command};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

/// A lease with its work.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Token, lane, times.
    pub grant: Grant,
    /// The payload, JSON.
    pub payload: Bytes,
    /// Labels, correlation id and the like.
    pub extra: JobExtra,
    /// The last checkpoint of an earlier attempt, JSON.
    pub checkpoint: Option<Bytes>,
}

/// What a claim came to.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The leases; none when there was no work in time.
    pub leases: Vec<Lease>,
    /// The session is to end what it has and ask for nothing more.
    pub drain: bool,
}

impl Engine {
    /// Leases for a session; waits for work as long as the claim says.
    ///
    /// # Errors
    /// An unknown session; whatever keeps the engine from answering.
    pub async fn claim(&self, params: ClaimParams) -> Result<Claimed, Error> {
        let grants = match self.command(Command::Claim(params)).await? {
            Answer::Claimed(grants) => grants,
            Answer::Draining => return Ok(Claimed { drain: true, ..Claimed::default() }),
            answer => return Err(unexpected(&answer)),
        };
        let mut read = self.read_carried(&grants).await?;
        let mut checkpoints = self.read_checkpoints(&grants).await?;
        let leases = grants.into_iter().filter_map(|mut grant| {
            let id = grant.token.job;
            let carried = grant.carried.take().or_else(|| read.remove(&id))?;
            let extra = carried.extra.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
            let checkpoint = checkpoints.remove(&id);
            Some(Lease { grant, payload: carried.payload, extra, checkpoint })
        });
        Ok(Claimed { leases: leases.collect(), drain: false })
    }

    /// What memory did not hold of the granted jobs.
    async fn read_carried(&self, grants: &[Grant]) -> Result<HashMap<JobId, Carried>, Error> {
        let missing = by_tenant(grants.iter().filter(|grant| grant.carried.is_none()));
        let mut carried = HashMap::new();
        for (tenant, ids) in missing {
            for found in self.ledger().job_lookup(tenant, &ids).await? {
                let of = Carried { payload: found.job.payload, extra: found.job.extra };
                carried.insert(found.job.id, of);
            }
        }
        Ok(carried)
    }

    async fn read_checkpoints(&self, grants: &[Grant]) -> Result<HashMap<JobId, Bytes>, Error> {
        let again = by_tenant(grants.iter().filter(|grant| grant.token.attempt > 1));
        let mut checkpoints = HashMap::new();
        for (tenant, ids) in again {
            let rows = self.ledger().checkpoint_lookup(tenant, &ids).await?;
            checkpoints.extend(rows.into_iter().map(|row| (row.job, row.data)));
        }
        Ok(checkpoints)
    }
}

fn by_tenant<'a>(grants: impl Iterator<Item = &'a Grant>) -> HashMap<TenantNo, Vec<JobId>> {
    let mut by_tenant: HashMap<_, Vec<_>> = HashMap::new();
    for grant in grants {
        by_tenant.entry(grant.token.tenant).or_default().push(grant.token.job);
    }
    by_tenant
}
