//! Judges strategies of concurrency keys, by counting the open jobs of a key in history.
//!
//! Jobs that were ready when they were accepted, before the strategy was set, and that nobody had yet, may lie where the
//! owner does not know their names: no newer job must take their place.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::concurrency::PerKeyStrategy;
use orch_core::fact::{EndCause, Fact};
use orch_core::ids::JobId;

use super::{Job, Judged, Tenant, ensure};

const KEYS: &str = "a key's strategy holds";

/// What strategies owe.
#[derive(Debug, Default)]
pub struct Keys {
    /// The next fact drops this job; unless it follows from one of its key that ends in the same commit.
    dropping: Option<(JobId, Option<JobId>)>,
    /// Jobs that end in this commit.
    completing: BTreeSet<JobId>,
    /// The newest job accepted in this commit of each key whose newest stays, and how many may be open.
    newest: BTreeMap<(String, String), (JobId, u64)>,
}

/// A job type and a concurrency key.
fn key_of(tenant: &Tenant, job: &Job) -> Option<(String, String)> {
    let key = &tenant.lane(job.lane)?.key;
    Some((key.job_type.clone(), key.concurrency_key.clone()?))
}

fn policy(tenant: &Tenant, job: &Job) -> Option<(PerKeyStrategy, u64)> {
    let doc = tenant.policy(job)?;
    Some((doc.concurrency_per_key_strategy, doc.concurrency_per_key_max?.into()))
}

/// Whether a strategy asks about the jobs of a key.
pub(super) fn asks(tenant: &Tenant, job: &Job) -> bool {
    key_of(tenant, job).is_some() && policy(tenant, job).is_some_and(|(how, _)| how != PerKeyStrategy::Queue)
}

/// Open jobs of the same key.
fn open<'a>(tenant: &'a Tenant, of: &'a (String, String)) -> impl Iterator<Item = (&'a JobId, &'a Job)> {
    let fits = |job: &Job| !job.state.is_final() && key_of(tenant, job).as_ref() == Some(of);
    tenant.jobs.iter().filter(move |(_, job)| fits(job))
}

/// A job was accepted that nothing makes pointless. It may follow from one that is being completed.
pub(super) fn accepted(tenant: &mut Tenant, id: JobId, follows: Option<JobId>) {
    let job = &tenant.jobs[&id];
    let Some((key, (how, max))) = key_of(tenant, job).zip(policy(tenant, job)) else { return };
    match how {
        PerKeyStrategy::Queue => {}
        PerKeyStrategy::DropNewest => {
            let others = open(tenant, &key).filter(|(other, _)| **other != id).count() as u64;
            let parent = follows.filter(|of| open(tenant, &key).any(|(other, job)| other == of && job.lease.is_some()));
            if others >= max {
                tenant.keys_owe.dropping = Some((id, parent.filter(|_| others == max)));
            }
        }
        PerKeyStrategy::CancelRunning => {
            tenant.keys_owe.newest.insert(key, (id, max));
        }
    }
}

/// The next fact of the tenant: a job is dropped where its strategy says so, and nowhere else.
pub(super) fn next(tenant: &mut Tenant, fact: &Fact) -> Judged {
    let dropped = match fact {
        Fact::JobFinished { cause: EndCause::Dropped, job, .. } => Some(*job),
        _ => None,
    };
    match tenant.keys_owe.dropping.take() {
        None => ensure(dropped.is_none(), KEYS, || format!("{dropped:?} was dropped, and there was room")),
        Some((id, parent)) if dropped.is_none() && parent.is_some() => {
            tenant.keys_owe.completing.extend(parent);
            ensure(parent != Some(id), KEYS, String::new)
        }
        Some((id, _)) => ensure(dropped == Some(id), KEYS, || format!("{id} is one too many of its key and stays")),
    }
}

/// A newer job takes a job's place: as many newer ones stay as may be open.
pub(super) fn superseded(tenant: &Tenant, id: JobId) -> Judged {
    let job = &tenant.jobs[&id];
    let Some((key, (how, max))) = key_of(tenant, job).zip(policy(tenant, job)) else {
        return ensure(false, KEYS, || format!("{id} has no key and made way"));
    };
    let newer = open(tenant, &key).filter(|(_, other)| other.cancel.is_none() && other.accepted > job.accepted);
    let newer = newer.count() as u64;
    ensure(how == PerKeyStrategy::CancelRunning && newer >= max, KEYS, || {
        format!("{id} made way for {newer} newer jobs of {key:?}, and {max} may be open")
    })
}

/// The end of a commit.
pub(super) fn settled(tenant: &mut Tenant) -> Judged {
    let owed = std::mem::take(&mut tenant.keys_owe);
    if let Some((id, parent)) = owed.dropping {
        ensure(parent.is_some(), KEYS, || format!("{id} is one too many of its key and stays"))?;
    }
    let completing = owed.completing.into_iter().chain(owed.dropping.and_then(|(_, parent)| parent));
    for id in completing {
        let ended = tenant.jobs[&id].state.is_final();
        ensure(ended, KEYS, || format!("{id} goes on, and what follows from it is one too many of its key"))?;
    }
    for (key, (id, max)) in owed.newest {
        let newest = &tenant.jobs[&id];
        if newest.state.is_final() || newest.cancel.is_some() {
            continue;
        }
        let known = |job: &Job| job.cancel.is_none() && (!job.fresh || job.attempt > 0);
        let left = open(tenant, &key).filter(|(_, job)| known(job) && job.accepted <= newest.accepted).count() as u64;
        ensure(left <= max, KEYS, || format!("{left} jobs of {key:?} go on beside {id}, and {max} may be open"))?;
    }
    Ok(())
}
