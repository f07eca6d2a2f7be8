//! Questions to the owner's memory. They change nothing, and are answered like commands: at a position.

use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::job::JobState;
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;

use crate::answer::{Answer, LaneFound, Needed, OpenJob, PauseFound, WorkerFound};
use crate::command::Read;
use crate::mutant::{self, Mutant};
use crate::prepared::Prepared;
use crate::shard::Shard;
use crate::tenant::{Tenant, Versioned, of_kind};
use crate::waiting::Held;
use crate::{breaker, bucket, precedence, quota, throttle, watermark};

impl Shard {
    /// Answers a question.
    pub(crate) fn read(&mut self, read: Read) -> Answer {
        let no = match &read {
            Read::Lanes(no)
            | Read::Summary(no)
            | Read::Workers(no)
            | Read::Pauses(no)
            | Read::Rotation(no)
            | Read::ExplainTenant(no)
            | Read::Throttles(no)
            | Read::Keyless(no)
            | Read::Priorities(no)
            | Read::Fairness(no)
            | Read::Quotas(no) => *no,
            Read::Copy(_) => {
                return match self.copied() {
                    Ok(copied) => Answer::Copied(Box::new(copied)),
                    Err(refusal) => Answer::Refused(refusal),
                };
            }
            Read::Marks => return Answer::Marks(self.marks()),
            Read::Allotments => return Answer::Allotments(self.allotments()),
            Read::Jobs { tenant, .. }
            | Read::Config { tenant, .. }
            | Read::Configs { tenant, .. }
            | Read::Bucket { tenant, .. }
            | Read::Breaker { tenant, .. }
            | Read::Schedule { tenant, .. }
            | Read::Run { tenant, .. }
            | Read::Runs { tenant, .. }
            | Read::OpenRuns { tenant, .. }
            | Read::Backfills { tenant, .. }
            | Read::Explain { tenant, .. }
            | Read::ExplainHost { tenant, .. }
            | Read::WaitingOn { tenant, .. }
            | Read::WorkersWanted { tenant, .. }
            | Read::Watermarks { tenant, .. }
            | Read::OpenJobs { tenant, .. } => *tenant,
        };
        match read {
            Read::Workers(no) => return Answer::Workers(self.workers(no)),
            Read::Explain { tenant, lane, job } => return Answer::Explained(self.explain(tenant, lane, job)),
            Read::ExplainHost { tenant, host } => return Answer::HostExplained(self.explain_host(tenant, &host)),
            Read::ExplainTenant(tenant) => return Answer::TenantExplained(self.explain_tenant(tenant)),
            Read::Fairness(no) => return Answer::Fairness(self.fairness_of(no)),
            Read::WaitingOn { tenant, lanes } => {
                return Answer::WaitingOn(self.waiting_on(tenant, lanes.into_iter()));
            }
            Read::WorkersWanted { tenant, job_type, target_ms } if self.tenants.get(tenant).is_some() => {
                return Answer::WorkersWanted(self.workers_wanted(tenant, job_type.as_deref(), target_ms));
            }
            Read::Lanes(no) if self.tenants.get(no).is_some() => return Answer::Lanes(self.lanes(no)),
            _ => {}
        }
        let nothing = Prepared::default();
        let Some(desk) = self.desk(no, &nothing) else {
            return Answer::Refused(Refusal::new(Code::NotFound, "there is no such tenant"));
        };
        desk.tenant.look_at_blackouts(desk.at.now);
        let seen = |id: JobId| -> Option<OpenJob> {
            let job = desk.tenant.jobs.get(&id)?;
            let token = job.lease.as_ref().map(|lease| desk.token(id, lease.epoch, job.attempt));
            Some(job.seen(id, token))
        };
        match read {
            Read::Jobs { ids, .. } => Answer::Jobs(ids.into_iter().map(seen).collect()),
            Read::Summary(_) => Answer::Summary(desk.tenant.index.counts),
            Read::Config { kind, name, .. } => Answer::ConfigFound(desk.tenant.config(kind, &name)),
            Read::Configs { kind, .. } => {
                Answer::Configs(of_kind(&desk.tenant.configs, kind).map(Versioned::found).collect())
            }
            Read::Throttles(_) => Answer::Throttles(throttle::found(desk.tenant, desk.at.now)),
            Read::Priorities(_) => Answer::Priorities(precedence::found(desk.tenant, desk.at.now)),
            Read::Keyless(_) => Answer::Keyless(desk.tenant.keyless.clone().into_iter().collect()),
            Read::Pauses(_) => Answer::Pauses(pauses(desk.tenant)),
            Read::Bucket { name, .. } => Answer::Bucket(bucket::found(desk.tenant, &name, desk.at.now)),
            Read::Quotas(_) => Answer::Quotas(quota::found(desk.tenant, desk.at.now)),
            Read::Breaker { name, .. } => Answer::Breaker(breaker::found(desk.tenant, &name, desk.at.now)),
            Read::Schedule { name, .. } => Answer::Schedule(desk.tenant.schedule_found(&name).map(Box::new)),
            Read::Run { run, .. } => Answer::OpenRun(desk.tenant.open_run_found(run).map(Box::new)),
            Read::OpenRuns { graph, state, before, limit, .. } => {
                Answer::OpenRunSeqs(desk.tenant.open_runs(graph.as_deref(), state, before, limit))
            }
            Read::Backfills { backfills, .. } => {
                Answer::OpenBackfills(backfills.into_iter().map(|of| desk.tenant.backfill_found(of)).collect())
            }
            Read::Runs { runs, .. } => {
                Answer::OpenRuns(runs.into_iter().map(|run| desk.tenant.run_found(run, false)).collect())
            }
            Read::OpenJobs { state, before, limit, .. } => {
                let ids = open_ids(desk.tenant, state, before, limit);
                Answer::OpenJobs(ids.into_iter().filter_map(seen).collect())
            }
            Read::Watermarks { source, .. } => {
                Answer::Watermarks(watermark::found(desk.tenant, source.as_deref(), desk.at.now))
            }
            Read::Rotation(_) => Answer::Rotation(needed(desk.tenant)),
            // Answered above.
            Read::Workers(_)
            | Read::Marks
            | Read::Copy(_)
            | Read::Allotments
            | Read::Fairness(_)
            | Read::Lanes(_)
            | Read::Explain { .. }
            | Read::ExplainHost { .. }
            | Read::ExplainTenant(_)
            | Read::WorkersWanted { .. }
            | Read::WaitingOn { .. } => Answer::Done,
        }
    }

    /// Which of a tenant's jobs a rotation must leave, by the state of now.
    #[must_use]
    pub fn needed(&self, no: TenantNo) -> Option<Needed> {
        self.tenants.get(no).map(needed)
    }

    /// The tenants.
    pub fn tenant_numbers(&self) -> impl Iterator<Item = TenantNo> {
        self.tenants.iter().map(|(no, _)| *no)
    }

    fn marks(&self) -> Vec<(TenantNo, Timestamp)> {
        self.tenants.iter().filter_map(|(no, tenant)| Some((*no, tenant.erase_at?))).collect()
    }

    fn lanes(&mut self, no: TenantNo) -> Vec<LaneFound> {
        let count = self.tenants.get(no).map_or(0, |tenant| tenant.lanes.len());
        let numbers = || (1..=u32::try_from(count).unwrap_or(u32::MAX)).map(LaneNo);
        let gates = self.waiting_on(no, numbers());
        let Some(tenant) = self.tenants.get(no) else { return Vec::new() };
        let mut held = Held::new(tenant, self.now);
        let found = numbers().zip(gates).map(|(no, waiting_on)| {
            let lane = tenant.lane(no);
            LaneFound {
                no,
                key: lane.key.clone(),
                ready: lane.waiting(),
                leased: u64::from(lane.leased),
                held_by: held.by(no),
                waiting_on,
            }
        });
        found.collect()
    }

    fn workers(&self, no: TenantNo) -> Vec<WorkerFound> {
        let leases = |session| self.tenants.get(no).and_then(|t| t.index.by_session.get(session)).copied();
        let theirs = self.sessions.iter().filter(|(_, session)| session.params.tenants.contains(&no));
        theirs
            .map(|(id, session)| WorkerFound {
                session: *id,
                worker: session.params.worker.clone(),
                boot: session.params.boot.clone(),
                job_types: session.params.job_types.clone(),
                capacity: session.params.capacity,
                leases: leases(id).unwrap_or(0),
                sdk: session.params.sdk.clone(),
                heard_at: session.heard_at,
                draining: session.draining,
            })
            .collect()
    }
}

fn needed(tenant: &Tenant) -> Needed {
    let numbered = tenant.lanes.iter().zip(1u32..);
    let heads = numbered.map(|(lane, no)| {
        // Where nothing fresh waits, all that ever came is behind: canceled jobs do not move the head.
        let head = if lane.fresh == 0 { tenant.seq } else { lane.head };
        (LaneNo(no), if mutant::on(Mutant::SweepIgnoresHead) { tenant.seq } else { head })
    });
    let held = tenant.jobs.keys().copied().filter(|_| !mutant::on(Mutant::SweepIgnoresKeep));
    Needed { heads: heads.collect(), keep: held.collect() }
}

fn pauses(tenant: &Tenant) -> Vec<PauseFound> {
    let found = tenant.pauses.iter().map(|(target, pause)| PauseFound {
        target: target.clone(),
        by: pause.by.clone(),
        reason: pause.reason.clone(),
        at: pause.at,
    });
    found.collect()
}

fn open_ids(tenant: &Tenant, state: JobState, before: Option<JobId>, limit: usize) -> Vec<JobId> {
    let all = tenant.jobs.iter().rev();
    let below = all.filter(|(id, job)| job.state == state && before.is_none_or(|before| **id < before));
    below.take(limit).map(|(id, _)| *id).collect()
}
