//! Permits to hosts that all tenants share: who wishes for one, who gets the next, and how they come from the home.
//!
//! Whoever lacks one wishes for it; the home gives the next to the tenant that has had the least of the host. Wishes of
//! tenants that live elsewhere come with a call of their shard (`PermitAsk`), which waits there like a worker's claim.
//! Permits are held in memory alone: one that is lost was spent, and nobody uses it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use orch_core::allotment::WEIGHT_USUAL;
use orch_core::fact::Fact;
use orch_core::ids::{ShardNo, TenantNo};
use orch_core::limits::{CLAIM_WAIT_MS_MAX, PERMIT_AHEAD_MS, PERMIT_WISHES_MAX};
use orch_core::time::Timestamp;

use crate::answer::{Answer, Permit, Permits};
use crate::bucket::{Opening, WAY_MS, buckets_of, half_guard_ms, way_ms};
use crate::claim::Seek;
use crate::command::{HostSaid, PermitAsk, PermitWish};
use crate::host::{Governed, Host, Shared};
use crate::mutant::{self, Mutant};
use crate::prepared::Prepared;
use crate::shard::{Reply, Shard, WaiterId};
use crate::tenant::Tenant;
use crate::wheel::Watched;

/// After its call was answered, what a shard wished for stands so long: its next call is on its way.
const STANDS_MS: u64 = 100;
/// How long the wish of a claim that was answered without it stands.
const WISH_MS: u64 = 1_000;

/// What a permit's commit and its way to another shard usually take.
const REACH_MS: u64 = 50;

/// A permit in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InHand {
    pub seq: u64,
    pub leaves_at: Timestamp,
    /// The last moment for its request to leave.
    pub until: Timestamp,
}

impl InHand {
    /// Can it be used by a lease that is granted now? That takes its time to reach a worker.
    fn lasts(&self, now: Timestamp) -> bool {
        self.until >= now.plus_ms(WAY_MS)
    }
}

/// What a permit is for: requests to a host, of one cost, of urgent work or of other.
pub(crate) type PermitKey = (Arc<str>, u32, bool);

/// Permits that a tenant has in hand, by what they are for.
pub(crate) type Hand = BTreeMap<PermitKey, VecDeque<InHand>>;

/// Whose wish, for requests of which cost, of urgent work or of other.
type WishKey = (Arc<str>, TenantNo, u32, bool);

/// Somebody who wishes for a permit to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wisher {
    pub tenant: TenantNo,
    cost: u32,
    urgent: bool,
    /// The tenant's weight.
    weight: u32,
    /// The shard whose call wishes; `None`: this one.
    from: Option<ShardNo>,
}

/// How many permits are wished for.
#[derive(Debug, Clone, Copy)]
struct Wish {
    count: u32,
    /// The look at all parked claims that counted it last.
    look: u64,
    /// It stands until then although nobody is parked for it.
    until: Timestamp,
}

/// The call of another shard that waits for permits.
#[derive(Debug)]
pub(crate) struct Ask {
    /// `None`: it was answered, its other wishes stand until the next call, and that one takes what is given to them.
    pub waiter: Option<WaiterId>,
    until: Timestamp,
    order: (u64, u64),
    /// When it was sent, and when it came in.
    at: (Timestamp, Timestamp),
    wishes: Vec<PermitWish>,
    given: Vec<Permit>,
}

/// What a shard has in memory of shared hosts. Nothing of it is saved.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub governed: Governed,
    /// The version of what `system` declares that this was made of.
    pub version: Option<u64>,
    /// The version of `system` that was looked at last; at home.
    pub looked: Option<u64>,
    wishes: BTreeMap<WishKey, Wish>,
    look: u64,
    /// A claim that was to be parked is not, or not any more: wishes may be too many.
    pub stale: bool,
    /// A claim wished for something since this was last looked at.
    pub wished: bool,
    /// Calls of other shards; at home.
    pub asks: BTreeMap<ShardNo, Ask>,
    /// When requests of tenants were last refused by a host; at home.
    pub refused: BTreeMap<Arc<str>, BTreeMap<TenantNo, Timestamp>>,
    /// What is to be told to the home.
    pub said: Vec<HostSaid>,
    /// What was last asked of it, and how often.
    asked: Option<(Vec<PermitWish>, Option<u64>)>,
    number: u64,
}

impl Ask {
    /// What it is answered.
    pub fn end(self, governed: Option<(u64, Vec<String>)>, now: Timestamp) -> Answer {
        let (sent, received) = self.at;
        Answer::Permits(Permits {
            of: self.order,
            sent,
            at: (received, now),
            governed,
            permits: self.given,
            ..Permits::default()
        })
    }
}

impl Hosts {
    /// When the first call of another shard has waited long enough.
    pub fn next_moment(&self) -> Option<Timestamp> {
        self.asks.values().map(|ask| ask.until).min()
    }

    pub fn forget_waiter(&mut self, id: WaiterId) {
        self.stale = true;
        self.asks.retain(|_, ask| ask.waiter != Some(id));
    }

    /// Begins a look at all parked claims, which counts their wishes anew.
    pub fn begin_look(&mut self) {
        self.look += 1;
        self.stale = false;
    }

    /// The look is over: what was not wished for again is not wished for any more.
    pub fn end_look(&mut self, now: Timestamp) {
        let look = self.look;
        self.wishes.retain(|_, wish| wish.look == look || wish.until > now);
    }

    fn wish(&mut self, key: WishKey, count: u32, until: Timestamp) {
        let look = self.look;
        let wish = self.wishes.entry(key).or_insert(Wish { count: 0, look, until });
        if wish.look != look {
            *wish = Wish { count: 0, look, until };
        }
        wish.count = wish.count.saturating_add(count);
        wish.until = wish.until.max(until);
    }
}

impl Tenant {
    /// The first permit in hand for such a request that can still be used.
    pub fn permit(&self, key: &PermitKey, now: Timestamp) -> Option<InHand> {
        if self.index.hand.is_empty() {
            return None;
        }
        let mut in_hand = self.index.hand.get(key)?.iter();
        let late = mutant::on(Mutant::PermitUsedLate);
        in_hand.find(|permit| permit.lasts(now) || late).copied()
    }

    /// Takes the permit that a grant of this group uses.
    pub fn take_permit(&mut self, key: &PermitKey, now: Timestamp) -> Option<InHand> {
        let permit = self.permit(key, now)?;
        if let Some(in_hand) = self.index.hand.get_mut(key).filter(|_| !mutant::on(Mutant::PermitUsedTwice)) {
            in_hand.retain(|other| other.seq > permit.seq);
            if in_hand.is_empty() {
                self.index.hand.remove(key);
            }
        }
        Some(permit)
    }

    /// The permits that nothing but their lack keeps from being used: by what they are for, how many. Urgent work first.
    fn lacking(&self, types: &[String], now: Timestamp) -> Vec<(PermitKey, u32)> {
        let mut lacking = BTreeMap::new();
        for group in self.admitted(types) {
            let Shared::Host(host) = &group.shared else { continue };
            let key = (Arc::clone(host), self.cost(group), group.urgent);
            let slowed = self.throttled_until(group, now) > now || self.first_lane(group, now).is_none();
            let held = slowed || group.shade.held || self.own_opening(group, now).at > now;
            if held || self.permit(&key, now).is_some() {
                continue;
            }
            let waiting = group
                .active
                .iter()
                .map(|(_, no)| self.lane(*no).waiting().min(u64::from(self.lane_throttle_lets(*no, now))));
            let count = waiting.fold(0_u64, u64::saturating_add).min(PERMIT_WISHES_MAX);
            // What its throttles and breakers would not let through is not wished for.
            let let_through = self.breakers_let(group, now).min(self.throttles_let(group, now)).min(self.allotted());
            let count = u32::try_from(count).unwrap_or(u32::MAX).min(let_through);
            if count == 0 {
                continue;
            }
            let lack: &mut u32 = lacking.entry(key).or_default();
            *lack = lack.saturating_add(count);
        }
        let (urgent, usual): (Vec<_>, Vec<_>) = lacking.into_iter().partition(|((_, _, urgent), _)| *urgent);
        urgent.into_iter().chain(usual).collect()
    }
}

impl Shard {
    /// Before a claim's turn at a tenant: takes the permits that it may have now, and wishes for those that it may not.
    pub(crate) fn seek_permits(&mut self, no: TenantNo, types: &[String], Seek { most, parks }: Seek) {
        let Some(tenant) = self.tenants.get(no).filter(|tenant| tenant.index.any_shared) else { return };
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let weight = tenant.weight();
        for ((host, cost, urgent), count) in tenant.lacking(types, self.now) {
            let mut left = count.min(most);
            let wisher = Wisher { tenant: no, cost, urgent, weight, from: None };
            while left > 0 && self.is_home() && self.comes_first(&host, wisher) && self.opens_now(&host, wisher) {
                self.give(&host, wisher);
                left -= 1;
            }
            if left > 0 {
                let until = if parks { self.now } else { self.now.plus_ms(WISH_MS) };
                // At home a claim that does not wait takes what it can get, and leaves no wish behind.
                if parks || !self.is_home() {
                    self.hosts.wish((host, no, cost, urgent), left, until);
                    self.hosts.wished = true;
                }
            }
        }
    }

    /// Nobody else who wishes for the host has had less of it, and could be given a permit now.
    fn comes_first(&self, host: &Arc<str>, wisher: Wisher) -> bool {
        let Some(system) = self.tenants.get(TenantNo::SYSTEM) else { return false };
        let Some(kept) = system.hosts.get(&**host) else { return true };
        let mine = (kept.place(wisher.tenant), wisher.tenant);
        mutant::on(Mutant::HostWithoutTurns)
            || self.wishers(host).all(|other| {
                (kept.place(other.tenant), other.tenant) >= mine
                    || kept.reports.closed_for(other.tenant, self.now).is_some()
                    || (wisher.urgent && !other.urgent && !self.opens_now(host, other))
            })
    }

    /// Who wishes for a host.
    pub(crate) fn wishers(&self, host: &Arc<str>) -> impl Iterator<Item = Wisher> {
        let least = (Arc::clone(host), TenantNo(0), 0, false);
        let of = Arc::clone(host);
        let here = self.hosts.wishes.range(least..).take_while(move |((host, ..), _)| *host == of);
        let here = here.filter(|(_, wish)| wish.count > 0).map(|((_, no, cost, urgent), _)| {
            let (tenant, cost, urgent) = (*no, *cost, *urgent);
            Wisher {
                tenant,
                cost,
                urgent,
                weight: self.tenants.get(*no).map_or(WEIGHT_USUAL, Tenant::weight),
                from: None,
            }
        });
        let of = Arc::clone(host);
        let there = self.hosts.asks.iter().flat_map(move |(shard, ask)| {
            let of = Arc::clone(&of);
            let theirs = ask.wishes.iter().filter(move |wish| wish.host == *of && wish.count > 0);
            theirs.map(move |wish| {
                let PermitWish { tenant, cost, urgent, weight, .. } = *wish;
                Wisher { tenant, cost, urgent, weight, from: Some(*shard) }
            })
        });
        here.chain(there)
    }

    /// When the host's next permit can be given to this tenant.
    fn opens_for(&self, host: &str, wisher: Wisher) -> Option<Timestamp> {
        let system = self.tenants.get(TenantNo::SYSTEM)?;
        let closed = system.hosts.get(host).and_then(|kept| kept.reports.closed_for(wisher.tenant, self.now));
        let request = (wisher.cost, wisher.urgent);
        let opens = system.buckets_open(buckets_of(&system.configs, host), request, self.now).at;
        Some(opens.max(closed.unwrap_or(self.now)))
    }

    fn opens_now(&self, host: &str, wisher: Wisher) -> bool {
        self.opens_for(host, wisher).is_some_and(|at| at <= self.now.plus_ms(PERMIT_AHEAD_MS))
    }

    /// When the tenant's next request may be granted, if no other comes before it; for explanations.
    pub(crate) fn permit_expected(
        &self,
        (host, cost, urgent): (&Arc<str>, u32, bool),
        no: TenantNo,
    ) -> Option<Timestamp> {
        let wisher = Wisher { tenant: no, cost, urgent, weight: WEIGHT_USUAL, from: None };
        let at = self.opens_for(host, wisher).filter(|_| self.is_home() && self.comes_first(host, wisher))?;
        Some(Opening { at, by: None }.grants_at())
    }

    /// Gives the permit that opens now to a tenant. One that lives here has it in hand.
    fn give(&mut self, host: &Arc<str>, wisher: Wisher) -> Option<Permit> {
        let Wisher { tenant: no, cost, urgent, weight, .. } = wisher;
        let system = self.tenants.get(TenantNo::SYSTEM)?;
        // The windows are longer than the upstream's by a guard; a permit may be used within half of it.
        let half_guard = half_guard_ms(buckets_of(&system.configs, host));
        let is_here = no.shard() == self.identity.shard;
        let way = way_ms(half_guard) + if is_here { 0 } else { REACH_MS };
        let leaves_at = self.opens_for(host, wisher)?.max(self.now.plus_ms(way));
        let until = leaves_at.plus_ms(half_guard.unwrap_or(0));
        let nothing = Prepared::default();
        let body = Fact::PermitGiven { cost, host: host.to_string(), leaves_at, tenant: no, until, urgent, weight };
        let seq = self.desk(TenantNo::SYSTEM, &nothing)?.emit(body);
        let permit = Permit { host: host.to_string(), tenant: no, cost, urgent, leaves_at, until, seq };
        if is_here {
            self.in_hand(&permit, Arc::clone(host));
        }
        Some(permit)
    }

    fn in_hand(&mut self, permit: &Permit, host: Arc<str>) {
        let Permit { tenant, cost, urgent, leaves_at, until, seq, .. } = *permit;
        let now = self.now;
        if let Some(tenant) = self.tenants.get_mut(tenant) {
            let in_hand = tenant.index.hand.entry((host, cost, urgent)).or_default();
            in_hand.retain(|held| held.lasts(now));
            in_hand.push_back(InHand { seq, leaves_at, until });
            tenant.index.stirred = true;
        }
    }

    /// After each command: counts wishes anew if that is due, and gives what can be given now to whoever has had the
    /// least. True: somebody who lives here got something.
    pub(crate) fn hand_out(&mut self) -> bool {
        self.end_asks();
        if self.hosts.wishes.is_empty() && self.hosts.asks.values().all(|ask| ask.wishes.is_empty()) {
            return false;
        }
        if self.hosts.stale {
            self.look_at_waiters();
        }
        let (mut opens_at, mut gave): (Option<Timestamp>, bool) = (None, false);
        let Governed::Those(hosts) = self.hosts.governed.clone() else { return false };
        if !self.is_home() {
            return false;
        }
        for host in hosts.iter() {
            while let Some(wisher) = self.next_wisher(host) {
                let Some(at) = self.opens_for(host, wisher) else { break };
                if at > self.now.plus_ms(PERMIT_AHEAD_MS) {
                    let at = Opening { at, by: None }.grants_at();
                    opens_at = Some(opens_at.map_or(at, |known| known.min(at)));
                    break;
                }
                let Some(permit) = self.give(host, wisher) else { break };
                gave |= wisher.from.is_none();
                self.wish_given(host, wisher, permit);
            }
        }
        if let Some(at) = opens_at {
            self.watch_opening(TenantNo::SYSTEM, at);
        }
        self.end_asks();
        gave
    }

    /// Who has had the least of a host among those that wish for it. While only what is kept for urgent work is left, it
    /// is the next of those that wish for that.
    fn next_wisher(&self, host: &Arc<str>) -> Option<Wisher> {
        let system = self.tenants.get(TenantNo::SYSTEM)?;
        let nothing = Host::default();
        let kept = system.hosts.get(&**host).unwrap_or(&nothing);
        // Those for whom it is closed come last, the first to be open again first.
        let place = |no| (kept.reports.closed_for(no, self.now), kept.place(no), no);
        if mutant::on(Mutant::HostWithoutTurns) {
            return self.wishers(host).next();
        }
        let order = |wisher: &Wisher| (place(wisher.tenant), !wisher.urgent, wisher.cost, wisher.from);
        let first = self.wishers(host).min_by_key(order)?;
        if first.urgent || self.opens_now(host, first) {
            return Some(first);
        }
        let urgent = self.wishers(host).filter(|wisher| wisher.urgent).min_by_key(order);
        urgent.filter(|wisher| self.opens_now(host, *wisher)).or(Some(first))
    }

    fn wish_given(&mut self, host: &Arc<str>, wisher: Wisher, permit: Permit) {
        let Wisher { tenant: no, cost, urgent, from, .. } = wisher;
        let Some(shard) = from else {
            if let Some(wish) = self.hosts.wishes.get_mut(&(Arc::clone(host), no, cost, urgent)) {
                wish.count -= 1;
            }
            return;
        };
        let Some(ask) = self.hosts.asks.get_mut(&shard) else { return };
        let what = (no, cost, urgent);
        let theirs = |wish: &&mut PermitWish| wish.host == **host && (wish.tenant, wish.cost, wish.urgent) == what;
        if let Some(wish) = ask.wishes.iter_mut().find(theirs) {
            wish.count -= 1;
        }
        ask.given.push(permit);
    }

    /// Answers calls of other shards that were given something, or have waited long enough.
    fn end_asks(&mut self) {
        let now = self.now;
        let over = |ask: &Ask| (ask.waiter.is_some() && !ask.given.is_empty()) || ask.until <= now;
        if !self.hosts.asks.values().any(over) {
            return;
        }
        let (over, open): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.hosts.asks).into_iter().partition(|(_, ask)| over(ask));
        self.hosts.asks = open;
        for (shard, ask) in over {
            let wishes: Vec<_> = ask.wishes.iter().filter(|wish| wish.count > 0).cloned().collect();
            if ask.until > now && !wishes.is_empty() {
                let (until, given) = (now.plus_ms(STANDS_MS), Vec::new());
                let stands = Ask { waiter: None, until, order: ask.order, at: ask.at, wishes, given };
                self.hosts.asks.insert(shard, stands);
            }
            self.answer_ask(ask, None);
        }
    }

    /// Answers a call, unless that was done already.
    pub(crate) fn answer_ask(&mut self, ask: Ask, governed: Option<(u64, Vec<String>)>) {
        if let Some(waiter) = ask.waiter {
            self.out.woken.push((waiter, ask.end(governed, self.now)));
        }
    }

    /// Ends all calls of other shards: this one is about to be given up.
    pub(crate) fn wake_asks(&mut self) {
        for ask in std::mem::take(&mut self.hosts.asks).into_values() {
            self.answer_ask(ask, None);
        }
    }

    /// The command `Permits`, of another shard to the home.
    pub(crate) fn permits(&mut self, ask: PermitAsk) -> Reply {
        for said in ask.said {
            self.host_said(said);
        }
        let order = (ask.epoch, ask.number);
        let (sent, now) = (ask.sent, self.now);
        let said =
            |governed| Answer::Permits(Permits { of: order, sent, at: (now, now), governed, ..Permits::default() });
        if self.hosts.asks.get(&ask.shard).is_some_and(|known| known.order >= order) {
            // A later call overtook this one.
            return Reply::Now(said(None));
        }
        let mut given = Vec::new();
        match self.hosts.asks.remove(&ask.shard) {
            Some(before) if before.waiter.is_none() => given = before.given,
            Some(before) => self.answer_ask(before, None),
            None => {}
        }
        if ask.known.is_none() || ask.known != self.hosts.version {
            return Reply::Now(said(self.governed_now()));
        }
        if ask.wait_ms == 0 {
            return Reply::Now(said(None));
        }
        self.next_waiter += 1;
        let (waiter, until) = (WaiterId(self.next_waiter), self.now.plus_ms(ask.wait_ms));
        let mut wishes = ask.wishes;
        // What was given meanwhile was not known to the shard when it said what it lacks.
        for permit in &given {
            let theirs = |wish: &&mut PermitWish| {
                let given = (&permit.host, permit.tenant, permit.cost, permit.urgent);
                (&wish.host, wish.tenant, wish.cost, wish.urgent) == given
            };
            if let Some(wish) = wishes.iter_mut().find(theirs) {
                wish.count = wish.count.saturating_sub(1);
            }
        }
        self.hosts.asks.insert(ask.shard, Ask { waiter: Some(waiter), until, order, at: (sent, now), wishes, given });
        Reply::Parked(waiter)
    }

    /// The command `TakePermits`: what the home answered.
    pub(crate) fn take_permits(&mut self, answered: Permits) -> Answer {
        let ahead_ms = self.home_ahead_ms(&answered);
        let Permits { of, came, governed, permits, .. } = answered;
        let nothing = governed.is_none() && permits.is_empty();
        if let Some((version, hosts)) = governed {
            let hosts = hosts.into_iter().map(|host| Arc::from(host.as_str())).collect();
            self.govern(Governed::Those(Arc::new(hosts)), version);
        }
        let here = |moment: Timestamp| Timestamp::from_millis(moment.millis() - ahead_ms);
        // Moments on a clock that stands still cannot be told apart.
        let usable = came >= self.now;
        for permit in permits.into_iter().filter(|_| usable) {
            let host = Arc::from(permit.host.as_str());
            let (leaves_at, until) = (here(permit.leaves_at), here(permit.until));
            self.in_hand(&Permit { leaves_at, until, ..permit }, host);
        }
        // What was wished for and given is asked for no more; what is still lacking is wished for again. Where another
        // call has taken the place of the one that is answered, its answer is waited for.
        if of == (self.identity.epoch, self.hosts.number) || !nothing {
            self.hosts.asked = None;
            self.hosts.stale = true;
        }
        Answer::Done
    }

    /// How many milliseconds the home's clock is ahead of this shard's, as far as the call proves it: the home had it
    /// after it was sent and before it was answered. Where that leaves a choice the clocks agree, or else permits come
    /// rather too late than too early.
    fn home_ahead_ms(&self, Permits { of, sent, at: (received, answered), came, .. }: &Permits) -> i64 {
        let least = answered.millis() - came.millis();
        // What another owner sent, it sent by a clock of its own.
        let agree = of.0 == self.identity.epoch && least <= 0 && received >= sent;
        if agree { 0 } else { least }
    }

    /// What to ask of the home, if that is other than what was asked last.
    pub(crate) fn permit_ask(&mut self) -> Option<PermitAsk> {
        if self.is_home() {
            return None;
        }
        let now = self.now;
        let wishes = self.hosts.wishes.iter().filter(|(_, wish)| wish.count > 0 && !self.stands_still);
        let wishes = wishes.filter(|(_, wish)| wish.look == self.hosts.look || wish.until > now);
        let wishes = wishes.map(|((host, tenant, cost, urgent), wish)| PermitWish {
            host: host.to_string(),
            tenant: *tenant,
            cost: *cost,
            urgent: *urgent,
            weight: self.tenants.get(*tenant).map_or(WEIGHT_USUAL, Tenant::weight),
            // Large wishes change with each claim; the home need not hear of each.
            count: if wish.count > 16 { 1 << wish.count.ilog2() } else { wish.count },
        });
        let (wishes, known) = (wishes.collect::<Vec<_>>(), self.hosts.version);
        let asked = self.hosts.asked.as_ref();
        if self.hosts.said.is_empty() && asked.is_some_and(|(before, of)| (before, *of) == (&wishes, known)) {
            return None;
        }
        self.hosts.asked = Some((wishes.clone(), known));
        self.hosts.number += 1;
        Some(PermitAsk {
            shard: self.identity.shard,
            epoch: self.identity.epoch,
            number: self.hosts.number,
            known,
            wishes,
            said: std::mem::take(&mut self.hosts.said),
            sent: now,
            wait_ms: CLAIM_WAIT_MS_MAX,
        })
    }

    /// Looks at a tenant again when one of its gates opens.
    pub(crate) fn watch_opening(&mut self, no: TenantNo, at: Timestamp) {
        let sooner = self.openings.get(&no).is_none_or(|watched| at < *watched);
        if sooner && !mutant::on(Mutant::OpeningForgotten) {
            self.openings.insert(no, at);
            self.wheel.put(at, no, Watched::Opening);
        }
    }
}
