//! Buckets of a tenant: which of them a lane spends from, when they open, and what a grant spends.
//!
//! The bucket is spent by the grant's fact, so its state is as exact after a recovery as before.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::config::{self, ConfigDoc, ConfigKind};
use orch_core::fact::Fact;
use orch_core::ids::{LaneNo, TenantNo};
use orch_core::lease::Token;
use orch_core::limits::PERMIT_AHEAD_MS;
use orch_core::refusal::{Code, Refusal};
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_gates::adaptive::WHOLE;
use orch_gates::bucket::{Holder, Rules};
use orch_gates::closure::CLOSED_OWN_MS_MAX;
use orch_gates::{Bucket, Cut, CutCause};

use crate::answer::{Answer, BucketFound};
use crate::command::{Actor, HostSaid, UpstreamSaid};
use crate::decide::Desk;
use crate::host::{Shared, said_of};
use crate::job::Lease;
use crate::tenant::{Group, Tenant, Versioned};

/// When a group's next request may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening<'a> {
    /// At the earliest; `NEVER` while only the home of a shared host knows.
    pub at: Timestamp,
    /// What holds it until then.
    pub by: Option<By<'a>>,
}

/// What holds a group's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By<'a> {
    /// A bucket, and what of it.
    Bucket(&'a str, Holder),
    /// A quota: as many began within an hour as may.
    Quota(&'a str),
    /// The platform's buckets of its host: it has no permit.
    Shared(&'a Arc<str>),
    /// It is not known yet whether its host is shared.
    Unknown,
}

/// What the commit of a grant and its way to a worker usually take.
const WAY_MS: u64 = 80;

/// How long after it is granted a request leaves at the soonest. One that counts when it is granted, and comes later, would
/// be followed by others, granted ahead, that come closer to it: half of a long window's guard covers that, a short one's
/// does not.
pub(crate) fn way_ms<'a>(terms: impl Iterator<Item = &'a Term>) -> u64 {
    let guard = terms.map(|term| term.guarded_ms() - term.window_ms).min();
    guard.map_or(0, |guard| WAY_MS.saturating_sub(guard / 2))
}

/// A moment that does not come.
pub(crate) const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

impl Opening<'_> {
    /// When a lease may be granted: a little before its request may leave.
    pub fn grants_at(&self) -> Timestamp {
        Timestamp::from_millis(self.at.millis().saturating_sub_unsigned(PERMIT_AHEAD_MS))
    }
}

/// The host of a source.
pub(crate) fn host_of<'a>(
    configs: &'a BTreeMap<(ConfigKind, String), Versioned>,
    source: Option<&str>,
) -> Option<&'a str> {
    let source = source.and_then(|name| configs.get(&(ConfigKind::Source, name.to_owned())));
    match source.map(|found| &found.doc) {
        Some(ConfigDoc::Source(config::Source { host, .. })) => host.as_deref(),
        _ => None,
    }
}

/// Names of the buckets of a source's host.
fn of_host(configs: &BTreeMap<(ConfigKind, String), Versioned>, source: Option<&str>) -> Vec<String> {
    let Some(host) = host_of(configs, source) else { return Vec::new() };
    let buckets = configs.range((ConfigKind::Bucket, String::new())..).map(|(_, found)| &found.doc);
    let theirs = buckets.filter(|doc| matches!(doc, ConfigDoc::Bucket(doc) if doc.host == host));
    theirs.map(|doc| doc.name().to_owned()).collect()
}

impl Tenant {
    /// The declared bucket of this name.
    pub fn bucket_doc(&self, name: &str) -> Option<&config::Bucket> {
        match self.configs.get(&(ConfigKind::Bucket, name.to_owned())).map(|found| &found.doc) {
            Some(ConfigDoc::Bucket(doc)) => Some(doc),
            _ => None,
        }
    }

    /// Finds each group's buckets anew: hosts or buckets were declared.
    pub fn index_buckets(&mut self) {
        for place in 0..self.index.groups.len() {
            let source = self.index.groups[place].source.clone();
            self.index.groups[place].buckets = self.own_buckets(source.as_deref());
            self.index.groups[place].shared = self.shared_of(source.as_deref());
        }
        self.count_shared();
    }

    /// Names of the tenant's own buckets that work of a source spends from. What `system` declares is spent by permits.
    pub fn own_buckets(&self, source: Option<&str>) -> Vec<String> {
        if self.no == TenantNo::SYSTEM { Vec::new() } else { of_host(&self.configs, source) }
    }

    /// What an attempt of this group spends.
    pub fn cost(&self, group: &Group) -> u32 {
        self.job_type(&group.job_type).map_or(1, |doc| doc.cost)
    }

    /// When the next request of a group may leave.
    pub fn opens<'a>(&self, group: &'a Group, now: Timestamp) -> Opening<'a> {
        if group.buckets.is_empty() && group.quotas.is_empty() && group.shared == Shared::Free {
            return Opening { at: now, by: None };
        }
        let own = self.own_opening(group, now);
        match &group.shared {
            Shared::Free => own,
            Shared::Unknown => Opening { at: NEVER, by: Some(By::Unknown) },
            Shared::Host(host) => match self.permit(host, self.cost(group), now) {
                Some(permit) if own.at <= permit.leaves_at => Opening { at: permit.leaves_at.max(now), by: own.by },
                Some(permit) if own.at <= permit.until => own,
                _ if own.at > now => Opening { at: NEVER, by: own.by },
                _ => Opening { at: NEVER, by: Some(By::Shared(host)) },
            },
        }
    }

    /// When a request of a group leaves that is granted now and may leave at `opens`.
    pub fn leaves(&self, group: &Group, opens: Timestamp, now: Timestamp) -> Timestamp {
        let docs = group.buckets.iter().filter_map(|name| self.bucket_doc(name));
        opens.max(now.plus_ms(way_ms(docs.flat_map(|doc| &doc.terms))))
    }

    /// When the next request of a group may leave by its tenant's own buckets and quotas.
    pub fn own_opening<'a>(&self, group: &'a Group, now: Timestamp) -> Opening<'a> {
        let mut opening = Opening { at: now, by: None };
        for name in &group.buckets {
            let (Some(doc), Some(bucket)) = (self.bucket_doc(name), self.buckets.get(name)) else { continue };
            let (at, by) = bucket.earliest(rules(doc), self.cost(group), now);
            if at > opening.at {
                opening = Opening { at, by: by.map(|holder| By::Bucket(name, holder)) };
            }
        }
        self.hourly_opening(group, opening, now)
    }

    /// Spends for a grant from this lane.
    pub fn spend(&mut self, no: LaneNo, at: Timestamp) {
        let group = &self.index.groups[self.index.group_of_lane[no.0 as usize - 1]];
        if group.buckets.is_empty() {
            return;
        }
        let cost = self.job_type(&group.job_type).map_or(1, |doc| doc.cost);
        for name in group.buckets.clone() {
            let Some(ConfigDoc::Bucket(doc)) =
                self.configs.get(&(ConfigKind::Bucket, name.clone())).map(|found| &found.doc)
            else {
                continue;
            };
            self.buckets.entry(name).or_default().spend(rules(doc), cost, at);
        }
    }
}

impl Desk<'_> {
    /// The command `Upstream`: a refusal cuts what is used of the terms, "come again later" closes the bucket.
    /// Returns what is to be said of a host that all share.
    pub fn upstream_said(&mut self, token: Token, said: UpstreamSaid) -> Result<Option<HostSaid>, Refusal> {
        let id = self.current(token)?;
        self.heard(id);
        let (job, now) = (&self.tenant.jobs[&id], self.at.now);
        // Whoever says so before its request was to leave did not wait.
        let began = |lease: &Lease| lease.not_before.filter(|at| *at <= now).unwrap_or(lease.granted_at);
        let began = job.lease.as_ref().map_or(now, began);
        let ago = |ms| Timestamp::from_millis(now.millis().saturating_sub_unsigned(ms));
        let sent = said.sent_ms_ago.map_or(began, |ms| ago(ms).max(began));
        let closed_until = said.retry_after_ms.map(|ms| now.plus_ms(ms.min(CLOSED_OWN_MS_MAX)));
        let mut facts = Vec::new();
        for name in &self.tenant.group(job.lane).buckets {
            let Some(doc) = self.tenant.bucket_doc(name) else { continue };
            let (nothing, bucket) = (Bucket::default(), self.tenant.buckets.get(name));
            let bucket = bucket.unwrap_or(&nothing);
            let cause = said.throttled.map(CutCause::Status);
            if let Some(Cut { cause, from, to, .. }) = cause.and_then(|cause| bucket.cut(rules(doc), cause, sent, now))
            {
                facts.push(Fact::BucketCut { bucket: name.clone(), cause, from, job: id, to });
            }
            if let Some(until) = closed_until.filter(|until| Some(*until) > bucket.closed_until(now).or(Some(now))) {
                facts.push(Fact::BucketClosed { bucket: name.clone(), job: id, until });
            }
        }
        for fact in facts {
            self.emit(fact);
        }
        Ok(said_of(self.tenant, id, said, sent))
    }

    /// The command `ResetBucket`.
    pub fn reset_bucket(&mut self, bucket: String, actor: Actor) -> Answer {
        if self.tenant.bucket_doc(&bucket).is_none() {
            return Answer::Refused(Refusal::new(Code::NotFound, "there is no such bucket"));
        }
        self.emit(Fact::BucketReset { bucket, by: actor.by, reason: actor.reason });
        Answer::Done
    }
}

/// What was spent of a bucket, and what it admits now.
pub(crate) fn found(tenant: &Tenant, name: &str, now: Timestamp) -> Option<BucketFound> {
    let doc = tenant.bucket_doc(name)?;
    let (nothing, bucket) = (Bucket::default(), tenant.buckets.get(name));
    let bucket = bucket.unwrap_or(&nothing);
    let (opens_at, _) = bucket.earliest(rules(doc), 1, now);
    Some(BucketFound {
        left: bucket.left(rules(doc), now),
        opens_at: (opens_at > now).then_some(opens_at),
        closed_until: bucket.closed_until(now),
        share: bucket.adaptive().share(doc.ramp_ms, now),
        whole_at: Some(bucket.adaptive().reaches(WHOLE, doc.ramp_ms, now)).filter(|at| *at > now),
        cuts: bucket.adaptive().cuts().to_vec(),
    })
}

/// How a declared bucket is kept.
pub(crate) fn rules(doc: &config::Bucket) -> Rules<'_> {
    Rules { terms: &doc.terms, ramp_ms: doc.ramp_ms }
}
