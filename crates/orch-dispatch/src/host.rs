//! Hosts that all tenants share: the buckets that `system` declares govern them, and each request needs a permit.
//!
//! The home of these hosts is the shard of `system`: only there are their buckets spent, in the sequence of `system`,
//! by the fact of the permit. Who gets the next permit, and how it comes to its shard, is in `permit.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orch_core::allotment::WEIGHT_USUAL;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::Fact;
use orch_core::ids::{JobId, TenantNo};
use orch_core::limits::PERMIT_WISHES_MAX;
use orch_core::time::Timestamp;
use orch_gates::closure::Reports;
use orch_gates::latency::Verdict;
use serde::{Deserialize, Serialize};

use crate::bucket::{Refused, Said, buckets_of, host_of};
use crate::command::{HostSaid, UpstreamSaid};
use crate::permit::Hosts;
use crate::prepared::Prepared;
use crate::shard::Shard;
use crate::tenant::{Tenant, of_kind};

/// A tenant's refusal counts as long as this towards a cut that holds for all.
const REFUSED_MS: u64 = 60_000;
/// What one permit costs a tenant of the usual weight in virtual time, for each request; others pay by their weight.
const STRIDE: u64 = 1 << 12;

/// What `system` keeps of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Host {
    /// Virtual time of the last permit.
    vtime: u64,
    /// Virtual times of the tenants that are ahead of it.
    pass: BTreeMap<TenantNo, u64>,
    /// Who said that it is closed.
    pub reports: Reports,
}

impl Host {
    /// A tenant's place in the order: idleness earns nothing.
    pub fn place(&self, tenant: TenantNo) -> u64 {
        self.pass.get(&tenant).copied().unwrap_or(0).max(self.vtime)
    }

    fn given(&mut self, tenant: TenantNo, weight: u32, cost: u32) {
        let place = self.place(tenant);
        self.vtime = place;
        self.pass.retain(|_, pass| *pass > place);
        let price = STRIDE * u64::from(cost) * u64::from(WEIGHT_USUAL) / u64::from(weight.max(1));
        self.pass.insert(tenant, place + price.max(1));
    }

    /// A tenant reported that the host is closed until then.
    pub fn report(&mut self, tenant: TenantNo, until: Timestamp, now: Timestamp) {
        self.reports.report(tenant, until, now);
    }

    /// An operator opened it.
    pub fn reset(&mut self) {
        self.reports.reset();
    }
}

/// What governs the requests of a group of lanes besides its tenant's own buckets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Shared {
    /// Nothing.
    #[default]
    Free,
    /// Its host is governed: each request needs a permit.
    Host(Arc<str>),
    /// It has a host, and this shard has not heard yet which are governed.
    Unknown,
}

/// The hosts that are governed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Governed {
    /// Not heard yet.
    #[default]
    Unknown,
    /// These.
    Those(Arc<BTreeSet<Arc<str>>>),
}

impl Governed {
    /// What it means for work of a source with this host.
    pub fn of(&self, host: Option<&str>) -> Shared {
        match (self, host) {
            (_, None) => Shared::Free,
            (Self::Unknown, Some(_)) => Shared::Unknown,
            (Self::Those(hosts), Some(host)) => hosts.get(host).cloned().map_or(Shared::Free, Shared::Host),
        }
    }
}

impl Tenant {
    /// `system`: a permit was given to a tenant of this weight.
    pub fn permit_given(&mut self, host: &str, (tenant, weight): (TenantNo, u32), cost: u32, leaves_at: Timestamp) {
        self.hosts.entry(host.to_owned()).or_default().given(tenant, weight, cost);
        let names = buckets_of(&self.configs, host).map(|doc| doc.name.clone()).collect();
        self.spend_buckets(names, cost, leaves_at);
    }

    /// Finds out anew which groups' hosts are governed.
    pub fn index_shared(&mut self, governed: &Governed) {
        self.index.governed = governed.clone();
        for group in &mut self.index.groups {
            group.shared = governed.of(host_of(&self.configs, group.source.as_deref()));
        }
        self.index.stirred = true;
        self.note_declared();
    }
}

impl Shard {
    /// Whether the buckets of `system` are spent here.
    pub(crate) fn is_home(&self) -> bool {
        self.identity.shard == TenantNo::SYSTEM.shard()
    }

    /// At home: looks whether `system` declares other hosts than before.
    pub(crate) fn look_at_system(&mut self) {
        if !self.is_home() {
            return;
        }
        let system = self.tenants.get(TenantNo::SYSTEM);
        let version = system.map_or(0, |system| system.config_version);
        if self.hosts.looked == Some(version) {
            return;
        }
        self.hosts.looked = Some(version);
        let buckets = system.into_iter().flat_map(|system| of_kind(&system.configs, ConfigKind::Bucket));
        let hosts = buckets.filter_map(|found| match &found.doc {
            ConfigDoc::Bucket(doc) => Some(Arc::from(doc.host.as_str())),
            _ => None,
        });
        let governed = Governed::Those(Arc::new(hosts.collect()));
        if governed != self.hosts.governed {
            self.govern(governed, version);
            let asks = std::mem::take(&mut self.hosts.asks);
            let governed = self.governed_now();
            for ask in asks.into_values() {
                self.answer_ask(ask, governed.clone());
            }
        }
    }

    pub(crate) fn governed_now(&self) -> Option<(u64, Vec<String>)> {
        let Governed::Those(hosts) = &self.hosts.governed else { return None };
        Some((self.hosts.version?, hosts.iter().map(|host| host.to_string()).collect()))
    }

    pub(crate) fn govern(&mut self, governed: Governed, version: u64) {
        for tenant in self.tenants.values_mut() {
            tenant.index_shared(&governed);
        }
        self.hosts.governed = governed;
        self.hosts.version = Some(version);
    }

    /// A tenant that came just now learns what is governed.
    pub(crate) fn tell_governed(&mut self, no: TenantNo) {
        let governed = self.hosts.governed.clone();
        if let Some(tenant) = self.tenants.get_mut(no) {
            tenant.index_shared(&governed);
        }
    }

    /// After a recovery: nothing is known of shared hosts but what `system` declares, if that is here.
    pub(crate) fn begin_hosts(&mut self) {
        self.hosts = Hosts::default();
        self.look_at_system();
    }

    /// What a worker was answered by hosts that all tenants share.
    pub(crate) fn hosts_answered(&mut self, said: Vec<HostSaid>, by_platform: bool) {
        for said in said.into_iter().map(|said| HostSaid { by_platform, ..said }) {
            if self.is_home() {
                self.host_said(said);
            } else if (self.hosts.said.len() as u64) < PERMIT_WISHES_MAX {
                self.hosts.said.push(said);
            }
        }
    }

    /// At home: a refusal cuts the share for all, or "come again later" closes the host: for whom, `Reports` says.
    pub(crate) fn host_said(&mut self, HostSaid { host, tenant: no, job, by_platform, said, sent, slow }: HostSaid) {
        let now = self.now;
        let Some(system) = self.tenants.get(TenantNo::SYSTEM) else { return };
        let by = if by_platform { TenantNo::SYSTEM } else { no };
        let mut facts = Vec::new();
        let UpstreamSaid { throttled, retry_after_ms, .. } = said;
        let mut all = None;
        if let Some(ms) = retry_after_ms {
            let mut reports = system.hosts.get(&host).map(|kept| kept.reports.clone()).unwrap_or_default();
            let closing = reports.report(by, now.plus_ms(ms), now);
            all = closing.all;
            if let Some(until) = closing.own {
                facts.push(Fact::HostClosed { host: host.clone(), job, tenant: no, until });
            }
        }
        let cause = throttled.map(Refused::Status).or(slow.map(Refused::Slow));
        let why = cause.filter(|_| self.cuts_for_all(&host, by));
        for doc in buckets_of(&system.configs, &host) {
            facts.extend(system.answered(doc, Said { job, why, sent, closed_until: all }, now));
        }
        if cause.is_some() {
            self.hosts.refused.entry(Arc::from(host.as_str())).or_default().insert(no, now);
        }
        let prepared = Prepared::default();
        if let Some(mut desk) = self.desk(TenantNo::SYSTEM, &prepared) {
            facts.into_iter().for_each(|fact| {
                desk.emit(fact);
            });
        }
    }

    /// One tenant's refusals slow others down only if another's say the same, or nobody else uses the host.
    fn cuts_for_all(&self, host: &str, by: TenantNo) -> bool {
        let recent = |at: Timestamp| self.now.ms_since(at) < REFUSED_MS;
        let refused = self.hosts.refused.get(host);
        let another = refused.is_some_and(|of| of.iter().any(|(no, at)| *no != by && recent(*at)));
        let others = || {
            let host = Arc::from(host);
            let kept = self.tenants.get(TenantNo::SYSTEM).and_then(|system| system.hosts.get(&*host));
            let ahead = kept.is_some_and(|kept| kept.pass.keys().any(|no| *no != by));
            ahead || self.wishers(&host).any(|wisher| wisher.tenant != by)
        };
        by == TenantNo::SYSTEM || another || !others()
    }
}

/// What a worker's report says of a shared host, if it says anything that matters to all.
pub(crate) fn said_of(tenant: &Tenant, id: JobId, said: UpstreamSaid, sent: Timestamp) -> Option<HostSaid> {
    (said.throttled.is_some() || said.retry_after_ms.is_some()).then_some(())?;
    Some(HostSaid { said, ..of_shared(tenant, id, sent)? })
}

/// A shared host has become slow for a tenant.
pub(crate) fn slow_of(tenant: &Tenant, id: JobId, verdict: Verdict) -> Option<HostSaid> {
    Some(HostSaid { slow: Some(verdict.slow), ..of_shared(tenant, id, verdict.since)? })
}

/// Nothing of the shared host of this job, yet.
fn of_shared(tenant: &Tenant, id: JobId, sent: Timestamp) -> Option<HostSaid> {
    let job = tenant.jobs.get(&id)?;
    let Shared::Host(host) = &tenant.group(job.lane).shared else { return None };
    let (host, said) = (host.to_string(), UpstreamSaid::default());
    Some(HostSaid { host, tenant: tenant.no, job: id, by_platform: false, said, sent, slow: None })
}
