//! Reads what a command needs before it is applied.

use std::sync::Arc;

use orch_core::Timestamp;
use orch_core::limits;
use orch_core::port::{Ledger, StoreError};
use orch_dispatch::{Needs, Prepared};

/// Reads jobs and keys in batches.
pub(crate) async fn prepare(ledger: Arc<dyn Ledger>, needs: Needs, now: Timestamp) -> Result<Prepared, StoreError> {
    let Some(tenant) = needs.tenant else { return Ok(Prepared::default()) };
    let mut prepared = Prepared::default();
    if !needs.jobs.is_empty() {
        let found = ledger.job_lookup(tenant, &needs.jobs).await?;
        prepared.jobs = found.into_iter().map(|found| (found.job.id, found)).collect();
    }
    if !needs.keys.is_empty() {
        let hours = i64::try_from(limits::KEY_HOURS).unwrap_or(i64::MAX);
        let since = Timestamp::from_millis(now.millis() - hours * 3_600_000);
        let found = ledger.key_lookup(tenant, &needs.keys, since).await?;
        prepared.keys = found.into_iter().map(|row| (row.key, row)).collect();
    }
    Ok(prepared)
}
