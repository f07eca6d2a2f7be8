//! Quotas of a tenant: which of them cover a group of lanes, what they admit, and what a grant spends of an hour.
//!
//! What is under way is counted by the leases themselves; what began within an hour is spent by the grant's fact.

use std::collections::BTreeMap;
use std::fmt;

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::PauseTarget;
use orch_core::ids::LaneNo;
use orch_core::quota::Quota;
use orch_core::refusal::{Code, Refusal};
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_gates::Bucket;
use orch_gates::allotment::{Party, allot};
use orch_gates::bucket::Rules;

use crate::answer::QuotaFound;
use crate::bucket::{By, Opening};
use crate::command::NewJob;
use crate::decide::Desk;
use crate::mutant::{self, Mutant};
use crate::tenant::{Group, Tenant, of_kind};

/// What the work that a quota covers uses now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    /// Attempts under way.
    pub active: u32,
    /// Jobs that wait in their lanes.
    pub waiting: u64,
}

/// What holds a group back for a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many are under way as it allows.
    Active(String, u32),
    /// Others have their share of what the tenant may have under way.
    Share(String, u32),
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active(name, active) => write!(f, "quota `{name}`: {active} attempts are under way, the most"),
            Self::Share(name, share) => {
                write!(f, "quota `{name}`: its share is {share}, others have the rest of what the tenant may have")
            }
        }
    }
}

impl Tenant {
    /// The declared quotas.
    pub fn quotas(&self) -> impl Iterator<Item = &Quota> {
        of_kind(&self.configs, ConfigKind::Quota).filter_map(|found| match &found.doc {
            ConfigDoc::Quota(doc) => Some(doc),
            _ => None,
        })
    }

    /// The quota whose limit of what is under way is shared out among the others.
    pub fn whole(&self) -> Option<&Quota> {
        self.quotas().find(|doc| doc.covers_all() && doc.active_max.is_some())
    }

    /// What a quota's work uses now.
    pub fn used(&self, doc: &Quota) -> Use {
        self.index.quotas.get(&doc.name).copied().unwrap_or_default()
    }

    /// The declared quota of this name.
    pub fn quota_doc(&self, name: &str) -> Option<&Quota> {
        match self.configs.get(&(ConfigKind::Quota, name.to_owned())).map(|found| &found.doc) {
            Some(ConfigDoc::Quota(doc)) => Some(doc),
            _ => None,
        }
    }

    /// Names of the quotas that cover a group.
    pub fn quotas_of(&self, job_type: &str, project: &str) -> Vec<String> {
        self.quotas().filter(|doc| doc.covers(job_type, project)).map(|doc| doc.name.clone()).collect()
    }

    /// Takes a change of what a group uses into what its quotas count.
    pub fn count_quotas(&mut self, group: usize, change: impl Fn(&mut Use)) {
        let names = &self.index.groups[group].quotas;
        for name in names {
            change(self.index.quotas.entry(name.clone()).or_default());
        }
    }

    /// Is work of this group held by a pause of one of its quotas?
    pub fn quota_paused(&self, group: &Group) -> bool {
        let paused = |name: &String| self.pauses.contains_key(&PauseTarget::Quota(name.clone()));
        !group.quotas.is_empty() && group.quotas.iter().any(paused)
    }

    /// The quota that keeps more of this group from being handed out.
    pub fn quota_full(&self, group: &Group) -> Option<Full> {
        if group.quotas.is_empty() {
            return None;
        }
        let docs: Vec<_> = group.quotas.iter().filter_map(|name| self.quota_doc(name)).collect();
        let full = docs.iter().find_map(|doc| self.at_its_limit(doc));
        full.or_else(|| {
            let shares = self.shares(self.whole()?);
            docs.iter().find_map(|doc| self.at_its_share(doc, &shares))
        })
    }

    /// What keeps more of a quota's work from being handed out, if that is the quota itself.
    pub fn quota_at_most(&self, doc: &Quota) -> Option<Full> {
        self.at_its_limit(doc).or_else(|| {
            let whole = self.whole().filter(|_| self.used(doc).waiting > 0)?;
            self.at_its_share(doc, &self.shares(whole))
        })
    }

    fn at_its_limit(&self, doc: &Quota) -> Option<Full> {
        let active = self.used(doc).active;
        doc.active_max.is_some_and(|max| active >= max).then(|| Full::Active(doc.name.clone(), active))
    }

    fn at_its_share(&self, doc: &Quota, shares: &BTreeMap<&str, u32>) -> Option<Full> {
        let share = *shares.get(doc.name.as_str())?;
        (self.used(doc).active >= share).then(|| Full::Share(doc.name.clone(), share))
    }

    /// What each quota's work may have of what the whole tenant may have under way.
    pub fn shares(&self, whole: &Quota) -> BTreeMap<&str, u32> {
        let capacity = whole.active_max.unwrap_or(u32::MAX);
        let parts: Vec<_> = self.quotas().filter(|doc| !doc.covers_all()).collect();
        let wanted = |of: Use| of.active.saturating_add(u32::try_from(of.waiting).unwrap_or(u32::MAX));
        let mut parties: Vec<_> = parts
            .iter()
            .map(|doc| Party {
                wanted: wanted(self.used(doc)),
                reserved: doc.reserved.unwrap_or(0),
                most: doc.active_max.unwrap_or(u32::MAX),
                priority: doc.priority.unwrap_or(0),
                weight: doc.weight.unwrap_or(1),
            })
            .collect();
        // What none of them covers has a share like any other.
        let rest = self.index.groups.iter().filter(|group| group.quotas.iter().all(|name| *name == whole.name));
        let rest = rest.fold(Use::default(), |sum, group| Use {
            active: sum.active + group.leased,
            waiting: sum.waiting + group.waiting,
        });
        parties.push(Party { wanted: wanted(rest), reserved: 0, most: u32::MAX, priority: 0, weight: 1 });
        let given = allot(capacity, &parties);
        parts.iter().map(|doc| doc.name.as_str()).zip(given).collect()
    }

    /// When the hourly quotas of a group let the next attempt begin.
    pub fn hourly_opening<'a>(&self, group: &'a Group, mut opening: Opening<'a>, now: Timestamp) -> Opening<'a> {
        for name in &group.quotas {
            let Some(at) = self.quota_doc(name).and_then(|doc| self.hour_opens(doc, now)) else { continue };
            if at > opening.at {
                opening = Opening { at, by: Some(By::Quota(name)) };
            }
        }
        opening
    }

    /// When the next attempt may begin by what began within an hour; `None`: that is not limited, or none began yet.
    pub fn hour_opens(&self, doc: &Quota, now: Timestamp) -> Option<Timestamp> {
        let term = doc.hourly()?;
        Some(self.hours.get(&doc.name)?.earliest(rules(&[term]), 1, now).0)
    }

    /// Spends of an hour for a grant from this lane.
    pub fn spend_hour(&mut self, no: LaneNo, at: Timestamp) {
        for name in self.group(no).quotas.clone() {
            if let Some(term) = self.quota_doc(&name).and_then(Quota::hourly) {
                self.hours.entry(name).or_default().spend(rules(&[term]), 1, at);
            }
        }
    }
}

fn rules(terms: &[Term]) -> Rules<'_> {
    Rules { terms, ramp_ms: 1, in_flight_max: None, keeps_percent: 0 }
}

impl Desk<'_> {
    /// Whether the backlog has room for new jobs of a call. Those that were accepted before count once.
    pub fn check_backlog(&self, jobs: &[NewJob]) -> Result<(), Refusal> {
        for doc in self.tenant.quotas() {
            let Some(max) = doc.backlog_max else { continue };
            let new = |job: &&NewJob| {
                doc.covers(&job.lane.job_type, &job.lane.project)
                    && !matches!(self.key_replay(job.key, "idempotency_key"), Ok(Some(_)))
            };
            let waiting = self.tenant.used(doc).waiting;
            let more = jobs.iter().filter(new).count() as u64;
            if more > 0 && waiting + more > max && !mutant::on(Mutant::BacklogIgnored) {
                let detail = format!("quota `{}`: {waiting} jobs wait, and at most {max} may", doc.name);
                return Err(Refusal::new(Code::BacklogFull, detail));
            }
        }
        Ok(())
    }
}

/// What the work of each quota uses, and what it may have now.
pub(crate) fn found(tenant: &Tenant, now: Timestamp) -> Vec<(String, QuotaFound)> {
    let shares = tenant.whole().map(|whole| tenant.shares(whole)).unwrap_or_default();
    let one = |doc: &Quota| {
        let of = tenant.used(doc);
        let nothing = Bucket::default();
        let spent = tenant.hours.get(&doc.name).unwrap_or(&nothing);
        let found = QuotaFound {
            active: of.active,
            waiting: of.waiting,
            share: shares.get(doc.name.as_str()).copied(),
            hour_left: doc.hourly().and_then(|term| spent.left(rules(&[term]), now).first().copied()),
            opens_at: tenant.hour_opens(doc, now).filter(|at| *at > now),
            paused: tenant.pauses.contains_key(&PauseTarget::Quota(doc.name.clone())),
        };
        (doc.name.clone(), found)
    };
    tenant.quotas().map(one).collect()
}
