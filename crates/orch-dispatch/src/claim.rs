//! Handing out: which tenant, which lane, which job; and the same grants again for the same claim id.

use std::collections::{BTreeSet, VecDeque};

use orch_core::fact::Fact;
use orch_core::ids::{ClaimId, JobId, LaneNo, SessionId, TenantNo};
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;

use crate::answer::{Answer, Carried, Grant};
use crate::arbiter::QUANTUM;
use crate::command::ClaimParams;
use crate::decide::Desk;
use crate::lane::Next;
use crate::mutant::{self, Mutant};
use crate::prepared::Prepared;
use crate::shard::{Reply, Shard, Waiter};
use crate::tenant::{Group, Tenant};
use crate::wheel::Watched;

/// Who takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taker<'a> {
    pub session: SessionId,
    pub claim: ClaimId,
    pub auto_ack: bool,
    pub job_types: &'a [String],
}

impl Tenant {
    /// The jobs that a claim still has.
    pub(crate) fn claimed(&self, session: SessionId, claim: ClaimId) -> impl Iterator<Item = JobId> {
        let least = JobId(uuid::Uuid::nil());
        let from_there = self.index.by_claim.range((session, claim, least)..);
        from_there.take_while(move |(s, c, _)| (*s, *c) == (session, claim)).map(|(_, _, job)| *job)
    }

    /// The lane to grant from next, among those whose job type is in `types` and that nothing holds.
    pub(crate) fn next_lane(&self, types: &[String], now: Timestamp) -> Option<LaneNo> {
        let open = self.admitted(types).filter(|group| self.opens(group, now).grants_at() <= now);
        open.filter_map(|group| group.active.first()).min().map(|(_, no)| *no)
    }

    /// When `next_lane` may know one, at the earliest, if nothing but buckets holds all.
    pub(crate) fn next_opening(&self, types: &[String], now: Timestamp) -> Option<Timestamp> {
        self.admitted(types).map(|group| self.opens(group, now).grants_at()).min()
    }

    /// Groups with work in `types` that nothing but a bucket holds.
    fn admitted(&self, types: &[String]) -> impl Iterator<Item = &Group> {
        let groups = if self.erase_at.is_some() { &[][..] } else { &self.index.groups[..] };
        groups.iter().filter(move |group| {
            !group.active.is_empty()
                && types.contains(&group.job_type)
                && (mutant::on(Mutant::PauseIgnored) || !self.group_paused(&group.job_type, group.source.as_deref()))
                && !self.group_full(&group.job_type, group.source.as_deref())
        })
    }
}

impl Desk<'_> {
    /// Grants up to `most` jobs of this tenant.
    pub fn grant(&mut self, taker: Taker<'_>, most: usize) -> Vec<Grant> {
        let mut grants = Vec::new();
        while grants.len() < most {
            let Some(no) = self.tenant.next_lane(taker.job_types, self.at.now) else { break };
            let Some(next) = self.tenant.lane(no).next() else { break };
            let (job, fresh) = match next {
                Next::Again(_, job) => (job, None),
                Next::Fresh => match self.window_pop(no) {
                    Some(entry) => (entry.job, Some((entry.seq, entry.carried))),
                    None => break,
                },
            };
            grants.push(self.grant_one(taker, no, job, fresh));
        }
        grants
    }

    fn grant_one(&mut self, taker: Taker<'_>, no: LaneNo, job: JobId, fresh: Option<(u64, Option<Carried>)>) -> Grant {
        let held = self.tenant.jobs.get(&job).map(|job| (job.attempt + 1, job.last_seq));
        let first = fresh.as_ref().map(|(seq, _)| (1, *seq));
        let (attempt, prev) = first.or(held).expect("a job is granted from a window or from memory");
        let lease_ms = self.tenant.policy(no).lease_ms;
        let opens = self.tenant.opens(self.tenant.group(no), self.at.now).at;
        self.emit(Fact::LeaseGranted {
            attempt,
            auto_ack: taker.auto_ack,
            claim: taker.claim,
            epoch: self.at.epoch,
            job,
            lane: no,
            lease_ms,
            not_before: (opens > self.at.now).then_some(opens),
            prev,
            session: taker.session,
        });
        let mut grant = self.granted(job).expect("it was granted just now");
        grant.carried = fresh.and_then(|(_, carried)| carried);
        grant
    }

    /// The grant of a job that is handed out.
    pub fn granted(&self, id: JobId) -> Option<Grant> {
        let job = self.tenant.jobs.get(&id)?;
        let lease = job.lease.as_ref()?;
        Some(Grant {
            token: self.token(id, lease.epoch, job.attempt),
            lane: self.tenant.lane(job.lane).key.clone(),
            until: lease.until,
            lease_ms: lease.lease_ms,
            not_before: lease.not_before,
            execution_until: lease.execution_until,
            carried: None,
        })
    }

    /// What the same claim got before and still has.
    pub fn granted_to(&self, session: SessionId, claim: ClaimId) -> Vec<Grant> {
        self.tenant.claimed(session, claim).filter_map(|job| self.granted(job)).collect()
    }
}

impl Shard {
    /// The command `Claim`.
    pub(crate) fn claim(&mut self, params: ClaimParams) -> Reply {
        let Some(session) = self.sessions.get_mut(&params.session) else {
            return Reply::Now(Answer::Refused(Refusal::field(
                Code::UnknownSession,
                "session",
                "this worker session is not known: announce it again",
            )));
        };
        session.heard_at = self.now;
        let draining = session.draining;
        self.supersede(&params);
        let grants = self.claim_grants(&params);
        match params.wait_until {
            _ if draining && grants.is_empty() => Reply::Now(Answer::Draining),
            Some(until) if grants.is_empty() && until > self.now => {
                self.next_waiter += 1;
                let id = crate::shard::WaiterId(self.next_waiter);
                self.waiters.push_back(Waiter { id, until, params });
                Reply::Parked(id)
            }
            _ => Reply::Now(Answer::Claimed(grants)),
        }
    }

    /// The command `Drain`: parked claims of the session are answered at once. What it holds goes on.
    pub(crate) fn drain_session(&mut self, tenant: TenantNo, id: SessionId) -> Answer {
        let theirs = self.sessions.get_mut(&id).filter(|session| session.params.tenants.contains(&tenant));
        let Some(session) = theirs else {
            return Answer::Refused(Refusal::new(Code::NotFound, "there is no such worker session"));
        };
        session.draining = true;
        let waiters = std::mem::take(&mut self.waiters);
        let (gone, waiting): (VecDeque<_>, _) = waiters.into_iter().partition(|waiter| waiter.params.session == id);
        self.waiters = waiting;
        self.out.woken.extend(gone.into_iter().map(|waiter| (waiter.id, Answer::Draining)));
        Answer::Done
    }

    /// The same claim came again: the call that is parked for it is answered empty, and the new one takes its place.
    fn supersede(&mut self, params: &ClaimParams) {
        let same = |waiter: &Waiter| (waiter.params.session, waiter.params.claim) == (params.session, params.claim);
        if let Some(place) = self.waiters.iter().position(same)
            && let Some(waiter) = self.waiters.remove(place)
        {
            self.out.woken.push((waiter.id, Answer::Claimed(Vec::new())));
        }
    }

    /// Grants of a claim: those it has already, else new ones, tenant by tenant in the arbiter's order.
    pub(crate) fn claim_grants(&mut self, params: &ClaimParams) -> Vec<Grant> {
        let Some(session) = self.sessions.get(&params.session) else { return Vec::new() };
        let draining = session.draining;
        let worth = self.tenants.worth();
        // A platform worker works for whoever lives here.
        let of_session = |among: &BTreeSet<TenantNo>| -> Vec<TenantNo> {
            match &session.params.tenants {
                named if named.contains(&TenantNo::SYSTEM) => among.iter().copied().collect(),
                named => named.iter().copied().filter(|no| among.contains(no)).collect(),
            }
        };
        let (leased, open) = (of_session(&worth.leased), of_session(&worth.open));
        let named = if params.job_types.is_empty() { &session.params.job_types } else { &params.job_types };
        let job_types = named.clone();
        let again = self.grants_of(&leased, params);
        if draining || !again.is_empty() {
            return again;
        }
        let (session, claim, auto_ack) = (params.session, params.claim, params.auto_ack);
        let taker = Taker { session, claim, auto_ack, job_types: &job_types };
        let mut grants = Vec::new();
        let mut order: BTreeSet<_> = open.into_iter().filter_map(|no| self.place(no, taker)).collect();
        while grants.len() < params.max
            && let Some((_, no)) = order.pop_first()
        {
            let turn = if order.is_empty() { params.max } else { QUANTUM };
            grants.extend(self.turn(no, taker, turn.min(params.max - grants.len())));
            order.extend(self.place(no, taker));
        }
        grants
    }

    /// The tenant's place in the order of turns, if it has something for this taker.
    fn place(&mut self, no: TenantNo, taker: Taker<'_>) -> Option<(u64, TenantNo)> {
        let tenant = self.tenants.get(no)?;
        if tenant.next_lane(taker.job_types, self.now).is_some() {
            return Some((self.arbiter.place(no), no));
        }
        // Whoever waits for a bucket is looked at again when that opens.
        let opens = tenant.next_opening(taker.job_types, self.now)?;
        if self.openings.get(&no).is_none_or(|watched| opens < *watched) {
            self.openings.insert(no, opens);
            self.wheel.put(opens, no, Watched::Opening);
        }
        None
    }

    fn grants_of(&mut self, tenants: &[TenantNo], params: &ClaimParams) -> Vec<Grant> {
        let nothing = Prepared::default();
        let mut grants = Vec::new();
        for no in tenants {
            if let Some(desk) = self.desk(*no, &nothing) {
                grants.extend(desk.granted_to(params.session, params.claim));
            }
        }
        grants
    }

    fn turn(&mut self, no: TenantNo, taker: Taker<'_>, most: usize) -> Vec<Grant> {
        let nothing = Prepared::default();
        let Some(mut desk) = self.desk(no, &nothing) else { return Vec::new() };
        let grants = desk.grant(taker, most);
        if !grants.is_empty() {
            self.arbiter.turn(no, grants.len(), self.now, &mut self.out);
        }
        grants
    }

    /// Answers parked claims that there is work for now, the longest waiting first, and those whose wait is over.
    pub(crate) fn serve_waiters(&mut self) {
        let stirred = std::mem::take(&mut self.tenants.worth().stirred);
        if !stirred && self.waiters.iter().all(|waiter| waiter.until > self.now) {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiters);
        while let Some(waiter) = waiting.pop_front() {
            let grants = self.claim_grants(&waiter.params);
            if grants.is_empty() && waiter.until > self.now {
                self.waiters.push_back(waiter);
            } else {
                self.out.woken.push((waiter.id, Answer::Claimed(grants)));
            }
        }
    }
}
