//! Judges what is said of run times and of wanted workers: by the run times that history has, and by the largest limit of
//! concurrency that the job type ever had.

use std::collections::BTreeMap;

use orch_core::config::JobType;
use orch_core::ids::TenantNo;
use orch_core::time::Timestamp;
use orch_dispatch::answer::WorkersWanted;

use super::{Job, Judged, Model, Tenant, ensure};

const TOLD: &str = "what is said of run times is what history says";
const LIMITS: &str = "no more workers are wanted than may work";

/// What history says of a job type.
#[derive(Debug, Clone, Default)]
pub struct RunTimes {
    /// How long each attempt took that ended well.
    times: Vec<u64>,
    /// The largest limit of attempts under way; `None`: some version had none.
    most: Option<u32>,
}

/// Takes a version of a job type in.
pub(super) fn declared(all: &mut BTreeMap<String, RunTimes>, doc: &JobType) {
    let max = doc.concurrency_max;
    all.entry(doc.name.clone())
        .and_modify(|of| of.most = of.most.zip(max).map(|(a, b)| a.max(b)))
        .or_insert(RunTimes { times: Vec::new(), most: max });
}

/// A job's attempt ends well.
pub(super) fn ended(tenant: &mut Tenant, job: &Job, at: Timestamp) {
    let (Some(lease), Some(lane)) = (&job.lease, tenant.lane(job.lane)) else { return };
    let job_type = lane.key.job_type.clone();
    tenant.run_times.entry(job_type).or_default().times.push(at.ms_since(lease.granted_at));
}

impl Model {
    pub(super) fn judge_wanted(&mut self, no: TenantNo, found: &[WorkersWanted]) -> Judged {
        let Some(tenant) = self.tenants.get(&no) else { return Ok(()) };
        for said in found {
            let known = tenant.run_times.get(&said.job_type).cloned().unwrap_or_default();
            let fits = said.run_times as usize <= known.times.len() && (said.run_times == 0) == said.mean_ms.is_none();
            ensure(fits, TOLD, || format!("{said:?}, and {} attempts ended well", known.times.len()))?;
            let (low, high) = (known.times.iter().min(), known.times.iter().max());
            let within = said
                .mean_ms
                .zip(low.zip(high))
                .is_none_or(|(mean, (low, high))| (*low..=(*high).max(1)).contains(&mean));
            ensure(within, TOLD, || format!("{said:?} of {low:?} to {high:?}"))?;
            let most = known.most.map_or(u64::MAX, |most| u64::from(most).max(said.under_way));
            let limited = (said.under_way..=most).contains(&said.desired);
            ensure(limited, LIMITS, || format!("{said:?} of {:?}", known.most))?;
            if said.desired == most {
                self.counts.entry("workers wanted up to a limit").and_modify(|count| *count += 1).or_insert(1);
            }
        }
        Ok(())
    }
}
