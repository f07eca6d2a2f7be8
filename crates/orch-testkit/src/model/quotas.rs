//! Judges quotas by counting: what is under way, what began within an hour, what waits.

use orch_core::config::ConfigDoc;
use orch_core::ids::LaneNo;
use orch_core::quota::Quota;
use orch_core::time::Timestamp;

use super::{Judged, Tenant, buckets, ensure};

const LIMITS: &str = "12: limits hold";

/// The quotas that cover a lane, with their versions.
fn covering(tenant: &Tenant, no: LaneNo) -> Vec<(Quota, u64)> {
    let Some(lane) = tenant.lane(no) else { return Vec::new() };
    let (job_type, project) = (&lane.key.job_type, &lane.key.project);
    let docs = tenant.configs.values().filter_map(|(doc, version, _)| match doc {
        ConfigDoc::Quota(doc) if doc.covers(job_type, project) => Some((doc.clone(), *version)),
        _ => None,
    });
    docs.collect()
}

/// Takes a grant from this lane. True: a quota covers it.
pub(super) fn granted(tenant: &mut Tenant, no: LaneNo, at: Timestamp) -> Result<bool, super::Violation> {
    let theirs = covering(tenant, no);
    for (doc, version) in &theirs {
        let paused = tenant.pauses.contains(&orch_core::fact::PauseTarget::Quota(doc.name.clone()));
        ensure(!paused, LIMITS, || format!("quota `{}` is paused", doc.name))?;
        if let Some(max) = doc.active_max {
            let leased = tenant.jobs.values().filter(|job| job.lease.is_some());
            let covered = |lane: &super::Lane| doc.covers(&lane.key.job_type, &lane.key.project);
            let active = leased.filter(|job| tenant.lane(job.lane).is_some_and(covered)).count();
            ensure(active < max as usize, LIMITS, || format!("{active} under quota `{}` and one more", doc.name))?;
        }
        if let Some(term) = doc.hourly() {
            let spent = tenant.hours.entry(doc.name.clone()).or_default();
            spent.push((*version, at));
            let since: Vec<_> = spent.iter().filter(|(of, _)| of == version).map(|(_, at)| (*at, 1)).collect();
            buckets::is_kept(&doc.name, &term, &since)?;
        }
    }
    Ok(!theirs.is_empty())
}

/// Takes a job of a submitter that waits in this lane from now on.
pub(super) fn waits(tenant: &Tenant, no: LaneNo) -> Judged {
    for (doc, _) in covering(tenant, no) {
        let Some(max) = doc.backlog_max else { continue };
        let covered = |lane: &&super::Lane| doc.covers(&lane.key.job_type, &lane.key.project);
        let waiting: usize = tenant.lanes.iter().filter(covered).map(|lane| lane.ready.len()).sum();
        ensure(waiting as u64 <= max, LIMITS, || format!("{waiting} jobs wait under quota `{}`, not {max}", doc.name))?;
    }
    Ok(())
}
