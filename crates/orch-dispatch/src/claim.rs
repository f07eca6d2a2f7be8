//! Handing out: which tenant, which lane, which job; and the same grants again for the same claim id.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use orch_core::fact::Fact;
use orch_core::ids::{ClaimId, JobId, LaneNo, SessionId, TenantNo};
use orch_core::limits::PERMIT_WAIT_MS;
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;

use crate::allotment::Rank;
use crate::answer::{Answer, Carried, Grant};
use crate::arbiter::QUANTUM;
use crate::bucket::NEVER;
use crate::command::ClaimParams;
use crate::decide::Desk;
use crate::host::Shared;
use crate::lane::Next;
use crate::mutant::{self, Mutant};
use crate::prepared::Prepared;
use crate::shard::{Reply, Shard, Waiter};
use crate::tenant::{Group, Tenant};

/// Who takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taker<'a> {
    pub session: SessionId,
    pub claim: ClaimId,
    pub auto_ack: bool,
    pub job_types: &'a [String],
}

/// How a claim seeks permits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seek {
    /// Jobs that it still takes.
    pub most: usize,
    /// It waits for what it does not get.
    pub parks: bool,
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
        let open = self.admitted(types).filter(|group| self.lets(group, now));
        // Backfills get what nobody else wants, unless somebody said otherwise.
        let below = |group: &Group, no: LaneNo| {
            group.backfill && self.precedence(no, now).is_none() && !mutant::on(Mutant::BackfillsInTurn)
        };
        let first = |group: &Group| {
            let (place, no) = self.first_lane(group, now)?;
            // A permit in hand is used first: it does not last.
            Some((below(group, no), group.shared == Shared::Free, place, no))
        };
        open.filter_map(first).min().map(|(_, _, _, no)| no)
    }

    /// When `next_lane` may know one, at the earliest, if nothing but throttles, buckets, breakers and blackouts holds all.
    /// What waits for an attempt to end stirs when it does.
    pub(crate) fn next_opening(&self, types: &[String], now: Timestamp) -> Option<Timestamp> {
        let opens = |group: &Group| {
            let lit = if group.shade.held { group.shade.until? } else { now };
            let admitted = self.admits_at(group, now)?;
            let opening = self.opens(group, now);
            // With its own buckets open, only its permit is lacking.
            let own = if opening.at == NEVER { self.own_opening(group, now).at } else { opening.grants_at() };
            let slowed = self.throttled_until(group, now).max(self.lanes_throttled_until(group, now));
            Some(admitted.max(own).max(lit).max(slowed))
        };
        self.admitted(types).filter_map(opens).filter(|at| *at > now).min()
    }

    /// Do the throttles, blackouts, breakers and buckets of a group let a lease be granted now?
    fn lets(&self, group: &Group, now: Timestamp) -> bool {
        let admits =
            !group.shade.held && (group.breakers.is_empty() || self.admits_at(group, now).is_some_and(|at| at <= now));
        admits && self.throttled_until(group, now) <= now && self.opens(group, now).grants_at() <= now
    }

    /// Groups with work in `types` that nothing but a throttle, a blackout, a breaker or a bucket holds.
    pub(crate) fn admitted(&self, types: &[String]) -> impl Iterator<Item = &Group> {
        let nothing = self.erase_at.is_some() || self.allotted() == 0;
        let groups = if nothing { &[][..] } else { &self.index.groups[..] };
        groups.iter().filter(move |group| {
            !group.active.is_empty()
                && types.contains(&group.job_type)
                && (mutant::on(Mutant::PauseIgnored) || !self.group_paused(&group.job_type, group.source.as_deref()))
                && !self.group_full(&group.job_type, group.source.as_deref())
                && !self.quota_paused(group)
                && (mutant::on(Mutant::QuotaIgnored) || self.quota_full(group).is_none())
                && (mutant::on(Mutant::FlightIgnored) || self.flight_full(group).is_none())
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
        let group = self.tenant.group(no);
        let opens = self.tenant.leaves(group, self.tenant.opens(group, self.at.now).at, self.at.now);
        let permit = match &group.shared {
            Shared::Host(host) => {
                let key = (Arc::clone(host), self.tenant.cost(group), group.urgent);
                self.tenant.take_permit(&key, self.at.now)
            }
            _ => None,
        };
        // Whoever has a permit leaves while it lasts.
        let opens = permit.map_or(opens, |permit| opens.min(permit.until));
        let not_before = (opens > self.at.now).then_some(opens);
        let canary = self.tenant.is_canary(no);
        let leave_by = not_before.and_then(|at| self.tenant.leave_by(self.tenant.group(no), permit, at));
        self.emit(Fact::LeaseGranted {
            attempt,
            auto_ack: taker.auto_ack,
            canary,
            claim: taker.claim,
            epoch: self.at.epoch,
            job,
            lane: no,
            lease_ms,
            leave_by,
            not_before,
            permit: permit.map(|permit| permit.seq),
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
            leave_by: lease.leave_by,
            execution_until: lease.execution_until,
            watermarks: self.tenant.watermark_heads(self.tenant.lane(job.lane).key.source.as_deref()),
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
        let until = params.wait_until.filter(|until| *until > self.now);
        self.hosts.wished = false;
        let grants = self.claim_grants(&params, until.is_some());
        // One that does not wait waits a moment for what only its home can give; a platform worker's gateway asks twice.
        let lacks = self.hosts.wished && params.max > 0 && params.session.tenant() != TenantNo::SYSTEM;
        let until = until.or_else(|| Some(self.now.plus_ms(PERMIT_WAIT_MS)).filter(|_| lacks));
        match until {
            _ if draining && grants.is_empty() => Reply::Now(Answer::Draining),
            Some(until) if grants.is_empty() => {
                self.next_waiter += 1;
                let id = crate::shard::WaiterId(self.next_waiter);
                self.waiters.push_back(Waiter { id, until, params });
                Reply::Parked(id)
            }
            _ => {
                self.hosts.stale |= self.hosts.wished;
                Reply::Now(Answer::Claimed(grants))
            }
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
        self.hosts.stale |= !gone.is_empty();
        self.out.woken.extend(gone.into_iter().map(|waiter| (waiter.id, Answer::Draining)));
        Answer::Done
    }

    /// The same claim came again: the call that is parked for it is answered empty, and the new one takes its place.
    fn supersede(&mut self, params: &ClaimParams) {
        let same = |waiter: &Waiter| (waiter.params.session, waiter.params.claim) == (params.session, params.claim);
        if let Some(place) = self.waiters.iter().position(same)
            && let Some(waiter) = self.waiters.remove(place)
        {
            self.hosts.stale = true;
            self.out.woken.push((waiter.id, Answer::Claimed(Vec::new())));
        }
    }

    /// Grants of a claim: those it has already, else new ones, tenant by tenant in the arbiter's order.
    /// `parks`: it will wait if there are none.
    pub(crate) fn claim_grants(&mut self, params: &ClaimParams, parks: bool) -> Vec<Grant> {
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
        let seek = Seek { most: params.max, parks };
        let mut order: BTreeSet<_> = open.into_iter().filter_map(|no| self.place(no, taker, seek)).collect();
        while grants.len() < params.max
            && let Some((_, no)) = order.pop_first()
        {
            let turn = if order.is_empty() { params.max } else { self.quantum(no) };
            grants.extend(self.turn(no, taker, turn.min(params.max - grants.len())));
            order.extend(self.place(no, taker, Seek { most: params.max - grants.len(), ..seek }));
        }
        grants
    }

    /// The tenant's place in the order of turns, if it has something for this taker.
    fn place(&mut self, no: TenantNo, taker: Taker<'_>, seek: Seek) -> Option<((Rank, u64), TenantNo)> {
        if self.tenants.get(no)?.index.blackouts.are_stale(self.now) {
            self.tenants.get_mut(no)?.look_at_blackouts(self.now);
        }
        self.seek_permits(no, taker.job_types, seek);
        let tenant = self.tenants.get(no)?;
        if tenant.next_lane(taker.job_types, self.now).is_some() {
            return Some((self.order_of(no), no));
        }
        // Whoever waits for a bucket, a breaker or a blackout is looked at again when that opens.
        let opens = tenant.next_opening(taker.job_types, self.now)?;
        self.watch_opening(no, opens);
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

    /// How much the tenant gets in one turn while others wait: what is reserved for it, or a turn like any other's.
    fn quantum(&self, no: TenantNo) -> usize {
        match self.tenants.get(no) {
            Some(tenant) if tenant.rank() == Rank::Reserved => QUANTUM.min(tenant.still_reserved() as usize),
            _ => QUANTUM,
        }
    }

    fn turn(&mut self, no: TenantNo, taker: Taker<'_>, most: usize) -> Vec<Grant> {
        let nothing = Prepared::default();
        // Who waits now has a part in what is granted now.
        self.tenants.worth();
        let Some(mut desk) = self.desk(no, &nothing) else { return Vec::new() };
        let grants = desk.grant(taker, most);
        let weight = desk.tenant.weight();
        if !grants.is_empty() {
            self.arbiter.turn((no, weight), grants.len(), self.now, &mut self.out);
            self.tenants.received(no, grants.len());
        }
        grants
    }

    /// Answers parked claims that there is work for now, the longest waiting first, and those whose wait is over.
    pub(crate) fn serve_waiters(&mut self) {
        let stirred = std::mem::take(&mut self.tenants.worth().stirred);
        if !stirred && self.waiters.iter().all(|waiter| waiter.until > self.now) {
            return;
        }
        self.look_at_waiters();
    }

    /// Grants to parked claims what there is for them, and counts what they wish for.
    pub(crate) fn look_at_waiters(&mut self) {
        self.hosts.begin_look();
        let mut waiting = std::mem::take(&mut self.waiters);
        while let Some(waiter) = waiting.pop_front() {
            self.hosts.wished = false;
            let waits = waiter.until > self.now;
            let grants = self.claim_grants(&waiter.params, waits);
            if grants.is_empty() && waits {
                self.waiters.push_back(waiter);
            } else {
                self.hosts.stale |= self.hosts.wished;
                self.out.woken.push((waiter.id, Answer::Claimed(grants)));
            }
        }
        self.hosts.end_look(self.now);
    }
}
