//! Buckets of a tenant: which of them a lane spends from, when they open, and what a grant spends.
//!
//! The bucket is spent by the grant's fact, so its state is as exact after a recovery as before.

use std::sync::Arc;

use orch_core::config::{self, ConfigDoc, ConfigKind};
use orch_core::fact::Fact;
use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::lease::Token;
use orch_core::limits::PERMIT_AHEAD_MS;
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use orch_gates::adaptive::WHOLE;
use orch_gates::bucket::{Holder, Rules};
use orch_gates::closure::CLOSED_OWN_MS_MAX;
use orch_gates::{Bucket, Cut, CutCause, Latency, Slow};

use crate::answer::{Answer, BucketFound};
use crate::command::{Actor, HostSaid, Took, UpstreamSaid};
use crate::decide::Desk;
use crate::host::{Shared, said_of, slow_of};
use crate::job::Lease;
use crate::mutant::{self, Mutant};
use crate::permit::InHand;
use crate::tenant::{Configs, Group, Tenant, of_kind};

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
pub(crate) const WAY_MS: u64 = 80;

/// How long after it is granted a request leaves at the soonest. One that counts when it is granted, and comes later, would
/// be followed by others, granted ahead, that come closer to it: half of a long window's guard covers that, a short one's
/// does not.
pub(crate) fn way_ms(half_guard_ms: Option<u64>) -> u64 {
    half_guard_ms.map_or(0, |half| WAY_MS.saturating_sub(half))
}

/// Half of the shortest guard of these buckets' windows: a request may come so much later than it was counted.
pub(crate) fn half_guard_ms<'a>(docs: impl Iterator<Item = &'a config::Bucket>) -> Option<u64> {
    docs.flat_map(|doc| &doc.terms).map(|term| (term.guarded_ms() - term.window_ms) / 2).min()
}

/// Why less of the terms is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The upstream refused, with this status.
    Status(u16),
    /// It has become slow.
    Slow(Slow),
}

/// What an upstream's answers say of its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// The job whose request it answered.
    pub job: JobId,
    /// Why less is to be used, if so.
    pub why: Option<Refused>,
    /// When that request left; the first of the slow ones.
    pub sent: Timestamp,
    /// Nothing is to leave before.
    pub closed_until: Option<Timestamp>,
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
pub(crate) fn host_of<'a>(configs: &'a Configs, source: Option<&str>) -> Option<&'a str> {
    let source = source.and_then(|name| configs.get(&(ConfigKind::Source, name.to_owned())));
    match source.map(|found| &found.doc) {
        Some(ConfigDoc::Source(config::Source { host, .. })) => host.as_deref(),
        _ => None,
    }
}

/// The buckets of a host among what a tenant declares.
pub(crate) fn buckets_of<'a>(configs: &'a Configs, host: &'a str) -> impl Iterator<Item = &'a config::Bucket> {
    of_kind(configs, ConfigKind::Bucket).filter_map(move |found| match &found.doc {
        ConfigDoc::Bucket(doc) if doc.host == host => Some(doc),
        _ => None,
    })
}

impl Tenant {
    /// The declared bucket of this name.
    pub fn bucket_doc(&self, name: &str) -> Option<&config::Bucket> {
        match self.configs.get(&(ConfigKind::Bucket, name.to_owned())).map(|found| &found.doc) {
            Some(ConfigDoc::Bucket(doc)) => Some(doc),
            _ => None,
        }
    }

    /// Names of the tenant's own buckets of a host. What `system` declares is spent by permits.
    pub fn own_buckets(&self, host: Option<&str>) -> Vec<String> {
        let host = host.filter(|_| self.no != TenantNo::SYSTEM);
        host.map(|host| buckets_of(&self.configs, host).map(|doc| doc.name.clone()).collect()).unwrap_or_default()
    }

    /// What an attempt of this group spends.
    pub fn cost(&self, group: &Group) -> u32 {
        self.job_type(&group.job_type).map_or(1, |doc| doc.cost)
    }

    /// When the next request of a group may leave.
    pub fn opens<'a>(&'a self, group: &'a Group, now: Timestamp) -> Opening<'a> {
        if group.buckets.is_empty() && group.quotas.is_empty() && group.shared == Shared::Free {
            return Opening { at: now, by: None };
        }
        let own = self.own_opening(group, now);
        match &group.shared {
            Shared::Free => own,
            Shared::Unknown => Opening { at: NEVER, by: Some(By::Unknown) },
            Shared::Host(host) => match self.permit(&(Arc::clone(host), self.cost(group), group.urgent), now) {
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
        opens.max(now.plus_ms(way_ms(half_guard_ms(docs))))
    }

    /// The last moment for a request to leave that counts at `not_before`, or under a permit where it counts: two thirds of
    /// a window's guard later. What is left of the guard is for its way.
    pub fn leave_by(&self, group: &Group, permit: Option<InHand>, not_before: Timestamp) -> Option<Timestamp> {
        let docs = group.buckets.iter().filter_map(|name| self.bucket_doc(name));
        let own = half_guard_ms(docs).map(|half| not_before.plus_ms(half * 4 / 3));
        let shared = permit.map(|permit| permit.leaves_at.plus_ms(permit.until.ms_since(permit.leaves_at) * 4 / 3));
        own.into_iter().chain(shared).min().map(|at| at.max(not_before))
    }

    /// When the next request of a group may leave by its tenant's own buckets and quotas.
    pub fn own_opening<'a>(&'a self, group: &'a Group, now: Timestamp) -> Opening<'a> {
        let docs = group.buckets.iter().filter_map(|name| self.bucket_doc(name));
        self.hourly_opening(group, self.buckets_open(docs, (self.cost(group), group.urgent), now), now)
    }

    /// When these buckets let a request leave of this cost, and of urgent work or not, and which holds it until then.
    pub fn buckets_open<'a>(
        &self,
        docs: impl Iterator<Item = &'a config::Bucket>,
        (cost, urgent): (u32, bool),
        now: Timestamp,
    ) -> Opening<'a> {
        let mut opening = Opening { at: now, by: None };
        for doc in docs {
            let Some(bucket) = self.buckets.get(&doc.name) else { continue };
            let rules = if urgent { rules(doc) } else { rules_of_usual(doc) };
            let (at, holder) = bucket.earliest(rules, cost, now);
            if at > opening.at {
                opening = Opening { at, by: holder.map(|holder| By::Bucket(&doc.name, holder)) };
            }
        }
        opening
    }

    /// Spends for a grant from this lane.
    pub fn spend(&mut self, no: LaneNo, at: Timestamp) {
        let group = self.group(no);
        if !group.buckets.is_empty() {
            let (names, cost) = (group.buckets.clone(), self.cost(group));
            self.spend_buckets(names, cost, at);
        }
    }

    /// Spends of these buckets for a request of this cost.
    pub fn spend_buckets(&mut self, names: Vec<String>, cost: u32, at: Timestamp) {
        for name in names {
            let found = self.configs.get(&(ConfigKind::Bucket, name.clone()));
            if let Some(ConfigDoc::Bucket(doc)) = found.map(|found| &found.doc) {
                self.buckets.entry(name).or_default().spend(rules(doc), cost, at);
            }
        }
    }

    /// The facts that an upstream's answer brings for a bucket: its share is cut, it is closed.
    pub fn answered(&self, doc: &config::Bucket, said: Said, now: Timestamp) -> impl Iterator<Item = Fact> {
        let Said { job, why, sent, closed_until } = said;
        let (nothing, name) = (Bucket::default(), &doc.name);
        let bucket = self.buckets.get(name).unwrap_or(&nothing);
        let (cause, slow) = match why {
            Some(Refused::Status(status)) => (Some(CutCause::Status(status)), None),
            Some(Refused::Slow(slow)) => (Some(CutCause::Latency).filter(|_| doc.latency_cut), Some(slow)),
            None => (None, None),
        };
        let cut = cause.and_then(|cause| bucket.cut(rules(doc), cause, sent, now));
        let cut = cut.map(|Cut { cause, from, to, in_flight, .. }| Fact::BucketCut {
            bucket: name.clone(),
            cause,
            from,
            in_flight,
            job,
            slow,
            to,
        });
        let until = closed_until.filter(|until| Some(*until) > bucket.closed_until(now).or(Some(now)));
        let closed = until.map(|until| Fact::BucketClosed { bucket: name.clone(), job, until });
        cut.into_iter().chain(closed)
    }
}

impl Desk<'_> {
    /// The command `Upstream`: a refusal cuts what is used of the terms, "come again later" closes the bucket.
    /// Returns what is to be said of a host that all share.
    pub fn upstream_said(&mut self, token: Token, said: UpstreamSaid) -> Result<Vec<HostSaid>, Refusal> {
        let id = self.current(token)?;
        self.heard(id);
        let (began, now) = (self.began(id), self.at.now);
        let ago = |ms| Timestamp::from_millis(now.millis().saturating_sub_unsigned(ms));
        let sent = said.sent_ms_ago.map_or(began, |ms| ago(ms).max(began));
        let closed_until = said.retry_after_ms.map(|ms| now.plus_ms(ms.min(CLOSED_OWN_MS_MAX)));
        self.answered(id, said.throttled.map(Refused::Status), sent, closed_until);
        let shared = said_of(self.tenant, id, said, sent);
        // A refusal is quick, and says nothing of how long an answer takes.
        let took = said.latency_ms.filter(|_| said.throttled.is_none());
        let slow = took.and_then(|ms| self.took(id, ms, sent));
        Ok(shared.into_iter().chain(slow).collect())
    }

    /// The part of `Complete` that says how long answers took. Returns what is to be said of a host that all share.
    pub fn answers_took(&mut self, token: Token, answers: &[Took]) -> Result<Vec<HostSaid>, Refusal> {
        let id = self.current(token)?;
        let began = self.began(id);
        let source = self.tenant.group(self.tenant.jobs[&id].lane).source.as_deref();
        let host = host_of(&self.tenant.configs, source).map(str::to_owned);
        let theirs = answers.iter().filter(|took| Some(&took.host) == host.as_ref());
        Ok(theirs.filter_map(|took| self.took(id, took.latency_ms, began)).collect())
    }

    /// When the requests of a job's attempt began to leave. Whoever speaks of one before it was to leave did not wait.
    fn began(&self, id: JobId) -> Timestamp {
        let now = self.at.now;
        let began = |lease: &Lease| lease.not_before.filter(|at| *at <= now).unwrap_or(lease.granted_at);
        self.tenant.jobs[&id].lease.as_ref().map_or(now, began)
    }

    /// The host of a job answered, and that is for its buckets.
    fn answered(&mut self, job: JobId, why: Option<Refused>, sent: Timestamp, closed_until: Option<Timestamp>) {
        let (tenant, said) = (&self.tenant, Said { job, why, sent, closed_until });
        let names = &tenant.group(tenant.jobs[&job].lane).buckets;
        let docs = names.iter().filter_map(|name| tenant.bucket_doc(name));
        let facts: Vec<_> = docs.flat_map(|doc| tenant.answered(doc, said, self.at.now)).collect();
        for fact in facts {
            self.emit(fact);
        }
    }

    /// An answer took so long. Whether that is slow is found in memory; that it cuts is a fact.
    fn took(&mut self, id: JobId, latency_ms: u64, sent: Timestamp) -> Option<HostSaid> {
        let verdict = self.tenant.observe(id, latency_ms, sent, self.at.now)?;
        self.answered(id, Some(Refused::Slow(verdict.slow)), verdict.since, None);
        slow_of(self.tenant, id, verdict)
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
    let (opens_at, _) = bucket.earliest(rules_of_usual(doc), 1, now);
    let latency = tenant.index.latencies.get(&doc.host);
    Some(BucketFound {
        left: bucket.left(rules(doc), now),
        opens_at: (opens_at > now).then_some(opens_at),
        closed_until: bucket.closed_until(now),
        share: bucket.adaptive().share(doc.ramp_ms, now),
        whole_at: Some(bucket.adaptive().reaches(WHOLE, doc.ramp_ms, now)).filter(|at| *at > now),
        cuts: bucket.adaptive().cuts().to_vec(),
        history: bucket.adaptive().history(doc.ramp_ms, now),
        in_flight: tenant.flight_of(doc),
        baseline_ms: latency.and_then(Latency::baseline_ms),
        latency_ms: latency.and_then(Latency::last_ms),
    })
}

/// How a declared bucket is kept.
pub(crate) fn rules(doc: &config::Bucket) -> Rules<'_> {
    Rules { terms: &doc.terms, ramp_ms: doc.ramp_ms, in_flight_max: doc.in_flight_max, keeps_percent: 0 }
}

/// The same for work that is not urgent: it leaves the reserve.
fn rules_of_usual(doc: &config::Bucket) -> Rules<'_> {
    let keeps_percent = if mutant::on(Mutant::ReserveForAll) { 0 } else { doc.urgent_reserve_percent };
    Rules { keeps_percent, ..rules(doc) }
}
