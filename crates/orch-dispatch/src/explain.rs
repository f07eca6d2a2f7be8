//! Why a job or a lane waits: every gate that holds it now, in the order in which they are looked at.
//!
//! It asks the same questions as `Tenant::next_lane`, one by one, and says what each answers.

mod host;
mod tenant;

use std::fmt::Write as _;

use orch_core::fact::PauseTarget;
use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::job::JobState;
use orch_core::limits::LEASE_MS_DEFAULT;
use orch_core::time::Timestamp;
use orch_gates::BreakerState;
use orch_gates::bucket::Holder;

use crate::answer::{Explained, Gate, Hold};
use crate::breaker::Kept;
use crate::bucket::{By, NEVER};
use crate::command::speaks_for;
use crate::host::Shared;
use crate::job::Job;
use crate::session::Session;
use crate::shard::Shard;
use crate::tenant::{Group, Pause, Tenant};

/// Names of parents that are given at most.
const PARENTS_NAMED: usize = 5;

impl Shard {
    /// The question `Explain`. `None`: there is no such lane.
    pub(crate) fn explain(&mut self, no: TenantNo, lane: LaneNo, job: Option<(JobId, u64)>) -> Option<Explained> {
        let now = self.now;
        self.tenants.get_mut(no)?.look_at_blackouts(now);
        let tenant = self.tenants.get(no).filter(|tenant| (1..=tenant.lanes.len()).contains(&(lane.0 as usize)))?;
        let held = job.and_then(|(id, _)| Some((id, tenant.jobs.get(&id)?)));
        let lane = held.map_or(lane, |(_, job)| job.lane);
        let waits = held.and_then(|(id, job)| tenant.before_its_lane(id, job).or_else(|| tenant.run_hold(job)));
        if let Some(hold) = waits {
            return Some(Explained { holds: vec![hold], ahead: None, front: None, starts: None });
        }
        let mut holds = tenant.holds(lane, now);
        let expected = match &tenant.group(lane).shared {
            Shared::Host(host) => {
                let (cost, urgent) = (tenant.cost(tenant.group(lane)), tenant.group(lane).urgent);
                self.permit_expected((host, cost, urgent), no)
            }
            _ => None,
        };
        // The home of a shared host knows when its next permit comes, and for whom.
        for hold in holds.iter_mut().filter(|hold| hold.gate == Gate::Bucket && hold.opens_at.is_none()) {
            hold.opens_at = expected;
        }
        let ahead = job.and_then(|(id, key)| tenant.ahead(lane, tenant.jobs.get(&id).map_or(key, |job| job.order_key)));
        if tenant.lane(lane).waiting() > 0 {
            let job_type = self.tenants.get(no).map(|tenant| tenant.lane(lane).key.job_type.clone());
            holds.extend(job_type.and_then(|job_type| self.no_worker(no, &job_type)));
            if holds.is_empty() {
                holds.extend(self.others_ahead(no, lane));
            }
        }
        let waits = self.tenants.get(no).is_some_and(|tenant| tenant.lane(lane).waiting() > 0);
        let unless_now = waits && (!holds.is_empty() || ahead.is_some_and(|ahead| ahead > 0));
        let forecast = unless_now.then(|| self.forecast(no, lane, ahead)).flatten();
        let front = forecast.map(|forecast| forecast.front);
        Some(Explained { holds, ahead, front, starts: forecast.and_then(|forecast| forecast.starts) })
    }

    /// No session can take jobs of this type.
    pub(crate) fn no_worker(&self, no: TenantNo, job_type: &str) -> Option<Hold> {
        let serves = |session: &&Session| {
            session.params.job_types.iter().any(|name| name == job_type) && self.session_serves(session, no)
        };
        let able: Vec<_> = self.sessions.values().filter(serves).collect();
        let leases = |session: &Session| {
            let of = |tenant: &Tenant| tenant.index.by_session.get(&session.params.session).copied().unwrap_or(0);
            self.tenants.values().map(of).sum::<u32>()
        };
        let by = match able.len() {
            0 => format!("no worker session takes `{job_type}`"),
            all if able.iter().all(|session| leases(session) >= session.params.capacity) => {
                format!("{all} worker sessions that take `{job_type}` are at their capacity")
            }
            _ => return None,
        };
        Some(Hold { gate: Gate::Worker, by, since: None, opens_at: None })
    }

    /// It takes work of the tenant, and was heard lately.
    pub(crate) fn session_serves(&self, session: &Session, no: TenantNo) -> bool {
        speaks_for(&session.params.tenants, no) && !session.draining && self.was_heard(session)
    }

    /// It was heard lately.
    pub(crate) fn was_heard(&self, session: &Session) -> bool {
        self.now.ms_since(session.heard_at) < LEASE_MS_DEFAULT
    }

    /// Tenants whose turn comes before this one's.
    pub(crate) fn tenants_ahead(&mut self, no: TenantNo) -> usize {
        let open = self.tenants.worth().open.clone();
        let place = self.order_of(no);
        open.iter().filter(|other| **other != no && self.order_of(**other) < place).count()
    }

    /// Lanes of this tenant and turns of others come first. Other tenants are not named.
    fn others_ahead(&mut self, no: TenantNo, lane: LaneNo) -> Option<Hold> {
        let tenants = self.tenants_ahead(no);
        let tenant = self.tenants.get(no)?;
        let active = tenant.index.groups.iter().flat_map(|group| group.active.iter());
        let mine = tenant.lane(lane).active?;
        let lanes = active.filter(|(pass, other)| (*pass, *other) < (mine, lane)).count();
        let mut by = String::new();
        if lanes > 0 {
            let _ = write!(by, "{lanes} lanes come first");
        }
        if let Some(words) = tenant.precedence_words(lane, self.now).filter(|_| lanes > 0) {
            let _ = write!(by, "; {words}");
        }
        if tenants > 0 {
            let _ = write!(by, "{}shared: others have their turn", if by.is_empty() { "" } else { "; " });
        }
        (!by.is_empty()).then_some(Hold { gate: Gate::Turn, by, since: None, opens_at: None })
    }
}

impl Tenant {
    /// What keeps a job from entering its lane.
    fn before_its_lane(&self, id: JobId, job: &Job) -> Option<Hold> {
        match job.state {
            JobState::Blocked => {
                let parents =
                    self.dependents.iter().filter(|(_, children)| children.iter().any(|(child, _)| *child == id));
                let names: Vec<_> = parents.map(|(parent, _)| parent.to_string()).take(PARENTS_NAMED).collect();
                let by = format!("{} open dependencies: {}", job.waits_for, names.join(", "));
                Some(Hold { gate: Gate::Dependencies, by, since: None, opens_at: None })
            }
            JobState::Scheduled => {
                let by = match (job.tries, job.attempt) {
                    (0, 0) => "not_before".to_owned(),
                    (0, attempt) => format!("back-off after attempt {attempt}, which cost no try"),
                    (tries, _) => format!("back-off after try {tries}"),
                };
                Some(Hold { gate: Gate::Time, by, since: None, opens_at: job.due_at })
            }
            _ => None,
        }
    }

    /// What holds a lane.
    pub(crate) fn holds(&self, no: LaneNo, now: Timestamp) -> Vec<Hold> {
        let mut holds = Vec::new();
        holds.extend(self.deletion_hold());
        holds.extend(self.allotment_hold());
        holds.extend(self.pauses_of(no).map(|(target, pause)| pause_hold(target, pause)));
        holds.extend(self.throttle_holds(no, now));
        holds.extend(self.blackout_hold(no, now));
        holds.extend(self.group(no).breakers.iter().filter_map(|name| self.breaker_hold(name, now)));
        holds.extend(self.bucket_hold(no, now));
        holds.extend(self.flight_full(self.group(no)).and_then(|(name, _)| self.flight_hold(name)));
        holds.extend(self.full(no).into_iter().map(|by| Hold {
            gate: Gate::Concurrency,
            by,
            since: None,
            opens_at: None,
        }));
        holds.extend(self.quota_full(self.group(no)).map(|full| Hold {
            gate: Gate::Quota,
            by: full.to_string(),
            since: None,
            opens_at: None,
        }));
        let opens = holds.iter().map(|hold| hold.opens_at).collect::<Option<Vec<_>>>();
        if let Some(at) = opens.and_then(|all| all.into_iter().max()).filter(|at| *at > now) {
            holds.extend(self.blackout_ahead(no, at));
        }
        holds
    }

    pub(crate) fn deletion_hold(&self) -> Option<Hold> {
        let at = self.erase_at?;
        let by = format!("the tenant is marked for deletion, and can be restored until {at}");
        Some(Hold { gate: Gate::Deleting, by, since: None, opens_at: None })
    }

    fn pauses_of(&self, no: LaneNo) -> impl Iterator<Item = (&PauseTarget, &Pause)> {
        let key = &self.lane(no).key;
        self.pauses.iter().filter(move |(target, _)| match target {
            PauseTarget::Tenant => true,
            PauseTarget::Source(name) => key.source.as_ref() == Some(name),
            PauseTarget::JobType(name) => key.job_type == *name,
            PauseTarget::Lane(lane) => *lane == no,
            PauseTarget::Quota(name) => self.group(no).quotas.contains(name),
        })
    }

    pub(crate) fn breaker_hold(&self, name: &str, now: Timestamp) -> Option<Hold> {
        let opens_at = self.breaker_admits_at(name, now);
        if opens_at == Some(now) {
            return None;
        }
        let Kept { breaker, tripped } = self.breakers.get(name)?;
        let does = match breaker.state() {
            BreakerState::Ramp { most, .. } => {
                format!("lets {most} attempts be under way, and one more after each success")
            }
            BreakerState::Probing { .. } => "waits for the one attempt that it let through".to_owned(),
            BreakerState::Open { .. } | BreakerState::Closed => "is open: too many attempts failed".to_owned(),
            BreakerState::Tripped => {
                let by = tripped.as_ref().map(|pause| pause.by.as_str()).unwrap_or_default();
                let why = tripped.as_ref().and_then(|pause| pause.reason.as_ref()).map(|reason| format!(": {reason}"));
                format!("was opened by {by}{}", why.unwrap_or_default())
            }
        };
        let by = format!("breaker `{name}` {does}");
        Some(Hold { gate: Gate::Breaker, by, since: Some(breaker.since()), opens_at })
    }

    fn bucket_hold(&self, no: LaneNo, now: Timestamp) -> Option<Hold> {
        let group = self.group(no);
        let gate = self.bucket_gate(group, now)?;
        let opening = self.opens(group, now);
        let opens_at = Some(opening.grants_at()).filter(|_| opening.at != NEVER);
        let by = match opening.by {
            Some(By::Bucket(name, holder)) => self.bucket_says(name, holder),
            Some(By::Quota(name)) => self.hour_says(name),
            Some(By::Shared(host)) => {
                format!("shared: the platform's buckets of `{host}`; the next permit goes to another")
            }
            Some(By::Unknown) => {
                "shared: it is not known yet whether the platform's buckets govern its host".to_owned()
            }
            None => "shared: the platform's buckets let its request leave later".to_owned(),
        };
        Some(Hold { gate, by, since: None, opens_at })
    }

    /// What of a group's buckets and hours holds it.
    pub(crate) fn bucket_gate(&self, group: &Group, now: Timestamp) -> Option<Gate> {
        let opening = self.opens(group, now);
        let gate = if matches!(opening.by, Some(By::Quota(_))) { Gate::Quota } else { Gate::Bucket };
        (opening.grants_at() > now).then_some(gate)
    }

    /// How a bucket holds.
    pub(crate) fn bucket_says(&self, name: &str, holder: Holder) -> String {
        match holder {
            Holder::Term(place) => match self.bucket_doc(name).and_then(|doc| doc.terms.get(place)) {
                Some(term) => format!("bucket `{name}`: {} in {} ms", term.limit, term.window_ms),
                None => format!("bucket `{name}`: its terms are spent"),
            },
            Holder::Kept(_) => format!("bucket `{name}`: what is left of its terms is kept for urgent work"),
            Holder::Share => format!("bucket `{name}`: the upstream refused or was slow, less of its terms is used"),
            Holder::Closed => format!("bucket `{name}`: the upstream asked not to be asked"),
            Holder::Order => format!("bucket `{name}`: a later request was granted already"),
        }
    }

    /// How a quota holds whose hour is spent.
    pub(crate) fn hour_says(&self, name: &str) -> String {
        let max = self.quota_doc(name).and_then(|doc| doc.per_hour_max).unwrap_or(0);
        format!("quota `{name}`: {max} attempts began within an hour")
    }

    /// The concurrency limits that are reached.
    fn full(&self, no: LaneNo) -> Vec<String> {
        let key = &self.lane(no).key;
        let index = &self.index;
        let mut full = Vec::new();
        let policy = self.policy(no);
        let of_type = index.leased_by_type.get(&key.job_type).copied().unwrap_or(0);
        if let Some(max) = policy.concurrency_max.filter(|max| of_type >= *max) {
            full.push(format!("{of_type} of {max} attempts of job type `{}` are under way", key.job_type));
        }
        if let Some(source) = &key.source {
            let of_source = index.leased_by_source.get(source).copied().unwrap_or(0);
            let max = self.source(source).and_then(|doc| doc.concurrency_max);
            if let Some(max) = max.filter(|max| of_source >= *max) {
                full.push(format!("{of_source} of {max} attempts for source `{source}` are under way"));
            }
        }
        if self.key_full(self.lane(no)) {
            full.push(format!("concurrency key `{}` is in use", key.concurrency_key.as_deref().unwrap_or_default()));
        }
        full
    }

    /// Jobs of the lane before this order key; `None` where only the ledger knows.
    fn ahead(&self, no: LaneNo, key: u64) -> Option<u64> {
        let lane = self.lane(no);
        let again = lane.again.range(..key).count();
        let fresh = lane.window.iter().take_while(|entry| entry.seq < key).count();
        let known = lane.unloaded() == 0 || lane.window.back().is_some_and(|last| last.seq >= key);
        known.then_some((again + fresh) as u64)
    }
}

pub(crate) fn pause_hold(target: &PauseTarget, pause: &Pause) -> Hold {
    let why = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let by = format!("{} is paused by {}{why}", pause_words(target), pause.by);
    Hold { gate: Gate::Paused, by, since: Some(pause.at), opens_at: None }
}

/// What is paused or throttled, in words.
pub(crate) fn pause_words(target: &PauseTarget) -> String {
    match target {
        PauseTarget::Tenant => "the tenant".to_owned(),
        PauseTarget::Source(name) => format!("source `{name}`"),
        PauseTarget::JobType(name) => format!("job type `{name}`"),
        PauseTarget::Lane(no) => format!("lane {}", no.0),
        PauseTarget::Quota(name) => format!("quota `{name}`"),
    }
}
