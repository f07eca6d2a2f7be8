//! Names of lanes: a lane never changes, so what was read once holds.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use orch_core::ids::{LaneNo, TenantNo};
use orch_core::job::LaneKey;
use orch_dispatch::command::Read;
use orch_dispatch::{Answer, Command};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

/// Lanes seen so far.
#[derive(Default)]
pub(crate) struct LaneNames(RwLock<HashMap<TenantNo, Arc<Vec<LaneKey>>>>);

impl LaneNames {
    fn get(&self, tenant: TenantNo) -> Option<Arc<Vec<LaneKey>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }
}

impl Engine {
    /// The tenant's lanes by number, at least up to `upto`.
    pub(crate) async fn lane_keys(&self, tenant: TenantNo, upto: LaneNo) -> Result<Arc<Vec<LaneKey>>, Error> {
        if let Some(known) = self.inner.lanes.get(tenant).filter(|known| known.len() >= upto.0 as usize && upto.0 > 0) {
            return Ok(known);
        }
        let lanes = match self.command(Command::Read(Read::Lanes(tenant))).await? {
            Answer::Lanes(lanes) => lanes,
            answer => return Err(unexpected(&answer)),
        };
        let keys = Arc::new(lanes.into_iter().map(|lane| lane.key).collect::<Vec<_>>());
        let mut all = self.inner.lanes.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(tenant, Arc::clone(&keys));
        Ok(keys)
    }

    /// The key of one lane.
    pub(crate) async fn lane_key(&self, tenant: TenantNo, lane: LaneNo) -> Result<LaneKey, Error> {
        let keys = self.lane_keys(tenant, lane).await?;
        let place = (lane.0 as usize).wrapping_sub(1);
        keys.get(place).cloned().ok_or_else(|| Error::Internal(format!("lane {} is not known", lane.0)))
    }
}
