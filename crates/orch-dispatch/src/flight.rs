//! What is under way at the hosts of a tenant's buckets, what may be, and how long hosts take to answer.
//!
//! A slot is the lease itself: what is under way is counted from the leases, and what may be changes by the facts of cuts
//! and of ends. Only how long answers take is kept in memory alone.

use orch_core::config::{self, ConfigDoc};
use orch_core::ids::{JobId, TenantNo};
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use orch_gates::latency::Verdict;

use crate::answer::{Gate, Hold, InFlight};
use crate::bucket::host_of;
use crate::host::Shared;
use crate::tenant::{Group, Tenant};

impl Tenant {
    /// Those of these buckets that limit what is under way, with their ceilings.
    pub fn flights_of(&self, buckets: &[String]) -> Vec<(String, u32)> {
        let limited = |name: &String| Some((name.clone(), self.bucket_doc(name)?.in_flight_max?));
        buckets.iter().filter_map(limited).collect()
    }

    /// How many attempts are under way at the host of a bucket that limits them.
    pub fn in_flight(&self, name: &str) -> u32 {
        self.index.in_flight.get(name).copied().unwrap_or(0)
    }

    /// How many may be.
    pub fn in_flight_most(&self, name: &str, max: u32) -> u32 {
        self.buckets.get(name).map_or(max, |bucket| bucket.flight().most(max))
    }

    /// The bucket of a group's host that lets no more be under way.
    pub fn flight_full<'a>(&self, group: &'a Group) -> Option<&'a (String, u32)> {
        group.flights.iter().find(|(name, max)| self.in_flight(name) >= self.in_flight_most(name, *max))
    }

    /// What is under way at a bucket's host, and what may be; `None`: that is not limited.
    pub fn flight_of(&self, doc: &config::Bucket) -> Option<InFlight> {
        let max = doc.in_flight_max?;
        Some(InFlight { under_way: self.in_flight(&doc.name), most: self.in_flight_most(&doc.name, max), max })
    }

    /// How a bucket holds that lets no more be under way.
    pub fn flight_hold(&self, name: &str) -> Option<Hold> {
        let InFlight { under_way, most, max } = self.flight_of(self.bucket_doc(name)?)?;
        let cut = self.buckets.get(name).filter(|bucket| bucket.flight().is_cut());
        let since = cut.and_then(|bucket| bucket.adaptive().cuts().last()).map(|cut| cut.at);
        let why =
            if since.is_some() { format!("; {max} before the upstream refused or was slow") } else { String::new() };
        let by = format!("bucket `{name}`: {under_way} of {most} attempts are under way at its host{why}");
        Some(Hold { gate: Gate::Concurrency, by, since, opens_at: None })
    }

    /// The open attempt of a job ends well: what may be under way at its host rises, if it was cut.
    pub fn flight_succeeded(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id).filter(|job| job.lease.is_some()) else { return };
        let group = &self.index.groups[self.index.group_of_lane[job.lane.0 as usize - 1]];
        for (name, max) in &group.flights {
            let under_way = self.index.in_flight.get(name).copied().unwrap_or(0);
            if let Some(bucket) = self.buckets.get_mut(name) {
                bucket.succeeded(*max, under_way);
            }
        }
    }

    /// The host of a job took so long to answer a request. A verdict, if it has become slow.
    pub fn observe(&mut self, id: JobId, latency_ms: u64, sent: Timestamp, now: Timestamp) -> Option<Verdict> {
        let group = self.group(self.jobs.get(&id)?.lane);
        let governed = !group.buckets.is_empty() || matches!(group.shared, Shared::Host(_));
        let host = host_of(&self.configs, group.source.as_deref()).filter(|_| governed)?.to_owned();
        self.index.latencies.entry(host).or_default().observe(latency_ms, sent, now)
    }
}

/// What is under way is counted by a tenant's own leases: no bucket of the platform can limit it.
///
/// # Errors
/// A refusal that names `in_flight_max`.
pub fn is_own(tenant: TenantNo, doc: &ConfigDoc) -> Result<(), Refusal> {
    let limited = matches!(doc, ConfigDoc::Bucket(config::Bucket { in_flight_max: Some(_), .. }));
    if tenant == TenantNo::SYSTEM && limited {
        let detail = "the platform's buckets cannot limit what is under way: only a tenant's own can";
        return Err(Refusal::field(Code::InvalidField, "in_flight_max", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
