//! Judges what the platform allots, and the receipts: nobody received more than was granted, and what is noted only grows.

use orch_core::fairness::{HOUR_MS, Receipt, hour_of};
use orch_core::time::Timestamp;

use super::{Judged, Tenant, ensure};

const LIMITS: &str = "12: limits hold";
const RECEIPTS: &str = "receipts say what history says";

/// Takes a grant. True: the platform limits what is under way.
pub(super) fn granted(tenant: &mut Tenant, at: Timestamp) -> Result<bool, super::Violation> {
    *tenant.grants.entry(hour_of(at)).or_default() += 1;
    let Some(most) = tenant.allotment.active_max else { return Ok(false) };
    let active = tenant.jobs.values().filter(|job| job.lease.is_some()).count();
    ensure(active < most as usize, LIMITS, || format!("{active} are under way and one more, and {most} are allotted"))?;
    Ok(true)
}

/// Takes a note. What is counted in an hour is known to the second, so the next hour's first grants may be in it.
pub(super) fn noted(tenant: &Tenant, receipt: &Receipt, at: Timestamp) -> Judged {
    let granted: u64 = tenant.grants.range(receipt.hour..).map(|(_, granted)| granted).sum();
    ensure(receipt.received <= granted, RECEIPTS, || format!("{receipt:?}, and {granted} were granted since"))?;
    let over = at >= receipt.hour.plus_ms(HOUR_MS);
    ensure(receipt.closed == over && receipt.hour == hour_of(receipt.hour), RECEIPTS, || format!("{receipt:?} at {at}"))
}
