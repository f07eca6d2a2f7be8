//! What must hold of a shard after every step. The simulated world asks after each; a served shard never pays for it.

use std::collections::BTreeMap;

use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::job::JobState;
use orch_core::time::Timestamp;

use crate::shard::Shard;
use crate::tenant::Tenant;
use crate::waiting::Held;

impl Shard {
    /// The first invariant that does not hold, as a sentence.
    ///
    /// # Errors
    /// The sentence.
    pub fn check(&self) -> Result<(), String> {
        for tenant in self.tenants.values() {
            check_jobs(tenant)?;
            check_lanes(tenant)?;
            check_slots(tenant)?;
            check_keys(tenant)?;
            check_quotas(tenant)?;
            check_holds(tenant, self.now)?;
            check_dependents(tenant)?;
            check_watermarks(tenant)?;
        }
        Ok(())
    }

    /// When a job's lease ends unless its worker is heard before; `None` when it is not handed out.
    #[must_use]
    pub fn lease_end(&self, tenant: TenantNo, job: JobId) -> Option<Timestamp> {
        Some(self.tenants.get(tenant)?.jobs.get(&job)?.lease.as_ref()?.until)
    }
}

fn check_jobs(tenant: &Tenant) -> Result<(), String> {
    for (id, job) in &tenant.jobs {
        let handed_out = matches!(job.state, JobState::Leased | JobState::Running);
        ensure(job.lease.is_some() == handed_out, || format!("{id} is {:?} and its lease says otherwise", job.state))?;
        ensure(!job.state.is_final(), || format!("{id} is final and still held"))?;
        ensure(job.last_seq <= tenant.seq, || format!("{id} knows seq {} of the future", job.last_seq))?;
        let counted = job.tries + job.lost <= job.attempt;
        ensure(counted, || {
            format!("{id} counts {} tries and {} lost of {} attempts", job.tries, job.lost, job.attempt)
        })?;
        let waits = job.state != JobState::Blocked || job.waits_for > 0;
        ensure(waits, || format!("{id} is blocked and waits for nothing"))?;
    }
    Ok(())
}

fn check_lanes(tenant: &Tenant) -> Result<(), String> {
    for (lane, n) in tenant.lanes.iter().zip(1u32..) {
        let no = LaneNo(n);
        let keys: Vec<_> = lane.window.iter().map(|entry| entry.seq).collect();
        ensure(keys.is_sorted_by(|a, b| a < b), || format!("lane {n}'s window is out of order"))?;
        ensure(keys.first().is_none_or(|key| *key > lane.head), || {
            format!("lane {n} holds a key at or below its head")
        })?;
        ensure(lane.window.len() as u64 <= lane.fresh, || format!("lane {n}'s window holds more than waits"))?;
        let held = |entry: &crate::lane::Entry| tenant.jobs.contains_key(&entry.job);
        ensure(!lane.window.iter().any(held), || format!("lane {n} holds a fresh job twice"))?;
        for (key, job) in &lane.again {
            let there =
                tenant.jobs.get(job).is_some_and(|j| j.state == JobState::Ready && j.order_key == *key && j.lane == no);
            ensure(there, || format!("lane {n} lists {job}, which is not ready there"))?;
            ensure(*key == tenant.jobs[job].last_seq, || format!("{job} re-entered lane {n} under an old key"))?;
        }
        let leased = tenant.jobs.values().filter(|job| job.lane == no && job.lease.is_some()).count();
        ensure(leased == lane.leased as usize, || format!("lane {n} counts {} leases of {leased}", lane.leased))?;
    }
    Ok(())
}

/// What a lane is said to be held by is the first of the gates that explain it.
fn check_holds(tenant: &Tenant, now: Timestamp) -> Result<(), String> {
    if tenant.index.blackouts.are_stale(now) {
        return Ok(());
    }
    let mut held = Held::new(tenant, now);
    for n in (1u32..).take(tenant.lanes.len()) {
        let (by, first) = (held.by(LaneNo(n)), tenant.holds(LaneNo(n), now).first().map(|hold| hold.gate));
        ensure(by == first, || format!("lane {n} is held by {by:?}, and {first:?} explains it"))?;
    }
    Ok(())
}

fn check_quotas(tenant: &Tenant) -> Result<(), String> {
    for (place, group) in tenant.index.groups.iter().enumerate() {
        let lanes = tenant.lanes.iter().zip(&tenant.index.group_of_lane).filter(|(_, of)| **of == place);
        let waiting: u64 = lanes.map(|(lane, _)| lane.waiting()).sum();
        ensure(group.waiting == waiting, || format!("a group counts {} waiting jobs of {waiting}", group.waiting))?;
    }
    for (name, of) in &tenant.index.quotas {
        let covered = || tenant.index.groups.iter().filter(|group| group.quotas.contains(name));
        let (active, waiting) = covered().fold((0, 0), |(a, w), group| (a + group.leased, w + group.waiting));
        ensure((of.active, of.waiting) == (active, waiting), || {
            format!("quota `{name}` counts {of:?} of {active} under way and {waiting} waiting")
        })?;
    }
    Ok(())
}

fn check_slots(tenant: &Tenant) -> Result<(), String> {
    let mut by_type: BTreeMap<&str, u32> = BTreeMap::new();
    for job in tenant.jobs.values().filter(|job| job.lease.is_some()) {
        *by_type.entry(&tenant.lane(job.lane).key.job_type).or_default() += 1;
    }
    for (name, counted) in &tenant.index.leased_by_type {
        let real = by_type.get(name.as_str()).copied().unwrap_or(0);
        ensure(real == *counted, || format!("job type {name} counts {counted} slots, {real} are taken"))?;
    }
    Ok(())
}

/// Of a key whose strategy asks, every open job is counted, and none lies in the ledger alone but those of before.
fn check_keys(tenant: &Tenant) -> Result<(), String> {
    let mut open: BTreeMap<(&str, &str), (usize, u64)> = BTreeMap::new();
    for job in tenant.jobs.values() {
        let lane = tenant.lane(job.lane);
        let Some(key) = lane.key.concurrency_key.as_deref().filter(|_| tenant.is_kept(&lane.key)) else { continue };
        let (alive, ending) = open.entry((&lane.key.job_type, key)).or_default();
        match job.lease.as_ref().is_some_and(|lease| lease.grace_until.is_some()) {
            true => *ending += 1,
            false => *alive += 1,
        }
    }
    let counted: Vec<_> = tenant.index.by_key.iter().map(|(key, jobs)| (key, jobs.alive.len(), jobs.ending)).collect();
    let real: Vec<_> = open.iter().map(|((of, key), (alive, ending))| ((*of, *key), *alive, *ending)).collect();
    let same = counted.len() == real.len()
        && counted.iter().zip(&real).all(|((of, alive, ending), real)| ((&*of.0, &*of.1), *alive, *ending) == *real);
    ensure(same, || format!("keys count {counted:?} of {real:?}"))
}

fn check_dependents(tenant: &Tenant) -> Result<(), String> {
    let mut waits: BTreeMap<JobId, u32> = BTreeMap::new();
    for children in tenant.dependents.values() {
        for (child, _) in children {
            *waits.entry(*child).or_default() += 1;
        }
    }
    for (id, job) in tenant.jobs.iter().filter(|(_, job)| job.state == JobState::Blocked) {
        let edges = waits.get(id).copied().unwrap_or(0);
        ensure(edges == job.waits_for, || format!("{id} waits for {} jobs, {edges} would tell it", job.waits_for))?;
    }
    Ok(())
}

fn check_watermarks(tenant: &Tenant) -> Result<(), String> {
    for (source, axis, kept) in tenant.all_watermarks() {
        ensure(kept.watermark.is_sound(), || {
            format!("{source} has an odd watermark ({axis:?}): {:?}", kept.watermark)
        })?;
    }
    Ok(())
}

fn ensure(holds: bool, sentence: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(sentence()) }
}
