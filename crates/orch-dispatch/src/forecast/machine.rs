//! A small machine of lanes, limits and workers that is run ahead with drawn run times, to see when a job starts.
//!
//! It hands out as `claim.rs` does: the tenant whose turn it is, in it the group and lane with the least virtual time that
//! nothing holds. It knows no facts, no leases' ends, no failures: every attempt ends well, and nothing else comes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use orch_core::limits::PERMIT_AHEAD_MS;
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_gates::Bucket;
use orch_gates::allotment::{self, allot};
use orch_gates::bucket::Rules;
use orch_gates::run_times::{mix, quantile, remaining_ms};
use orch_gates::window::Window;

use crate::bucket::NEVER;

/// How many may be under way together.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    pub most: u32,
    pub used: u32,
    /// It holds until then.
    pub until: Timestamp,
    /// The ramp of a breaker: each end lets one more be under way, up to so many; then it is no limit.
    pub rises_to: Option<u32>,
}

impl Limit {
    /// One that holds for good.
    pub fn of(most: u32, used: u32) -> Self {
        Self { most, used, until: NEVER, rises_to: None }
    }

    fn lets(&self, now: Timestamp) -> bool {
        self.used < self.most || self.until <= now
    }

    fn ended(&mut self) {
        self.used = self.used.saturating_sub(1);
        if let Some(top) = self.rises_to {
            self.most = if self.most >= top { u32::MAX } else { self.most + 1 };
        }
    }
}

/// What limits how many begin in a time.
#[derive(Debug, Clone)]
pub(crate) enum Meter {
    /// A bucket of a host; or a quota's hour, of which every attempt costs one.
    Bucket { bucket: Bucket, terms: Vec<Term>, ramp_ms: u64, reserve_percent: u32, hour: bool },
    /// A throttle's minute, which holds until a moment.
    Minute { window: Window, term: Term, until: Timestamp },
}

fn rules(terms: &[Term], ramp_ms: u64, reserve_percent: u32, urgent: bool) -> Rules<'_> {
    Rules { terms, ramp_ms, in_flight_max: None, keeps_percent: if urgent { 0 } else { reserve_percent } }
}

impl Meter {
    fn rules(&self, urgent: bool) -> Rules<'_> {
        match self {
            Self::Bucket { terms, ramp_ms, reserve_percent, .. } => rules(terms, *ramp_ms, *reserve_percent, urgent),
            Self::Minute { .. } => rules(&[], 1, 0, urgent),
        }
    }

    fn opens_at(&self, cost: u32, urgent: bool, now: Timestamp) -> Timestamp {
        match self {
            Self::Bucket { bucket, hour, .. } => {
                let cost = if *hour { 1 } else { cost };
                let (at, _) = bucket.earliest(self.rules(urgent), cost, now);
                Timestamp::from_millis(at.millis().saturating_sub_unsigned(PERMIT_AHEAD_MS)).max(now)
            }
            Self::Minute { window, term, until } => window.earliest(term, 1, now).min((*until).max(now)),
        }
    }

    fn spend(&mut self, cost: u32, urgent: bool, way_ms: u64, now: Timestamp) {
        match self {
            Self::Bucket { bucket, terms, ramp_ms, reserve_percent, hour } => {
                let (rules, cost) = (rules(terms, *ramp_ms, *reserve_percent, urgent), if *hour { 1 } else { cost });
                let (at, _) = bucket.earliest(rules, cost, now);
                bucket.spend(rules, cost, at.max(now.plus_ms(way_ms)));
            }
            Self::Minute { window, term, until } if *until > now => window.spend(term, 1, now),
            Self::Minute { .. } => {}
        }
    }
}

/// A group of lanes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Class {
    pub party: usize,
    /// Its sample among the machine's.
    pub times: usize,
    pub limits: Vec<usize>,
    pub meters: Vec<usize>,
    /// What an attempt spends of a bucket.
    pub cost: u32,
    /// Nothing of a bucket is kept from it.
    pub urgent: bool,
    /// How long after its grant a request counts at the soonest.
    pub way_ms: u64,
    /// Nothing of it is handed out before.
    pub opens_at: Timestamp,
    /// Time alone opens something of it: a meter, or a limit that ends.
    pub timed: bool,
    /// A permit in hand is used first.
    pub shared: bool,
    /// Its parts of what its tenant may have under way.
    pub parts: Vec<usize>,
    /// Its lanes with something to hand out: virtual time, number, place.
    pub active: BTreeSet<(u64, u32, usize)>,
}

/// A lane.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub no: u32,
    pub class: usize,
    /// Those of its group, its key and its own.
    pub limits: Vec<usize>,
    pub meters: Vec<usize>,
    pub pass: u64,
    pub cost: u64,
    pub waiting: u64,
    /// Nothing of it is handed out.
    pub held: bool,
}

/// A tenant.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub place: u64,
    pub vtime: u64,
    /// What it may have under way at the same time, to be shared out among its parts; the last one is what no quota covers.
    pub whole: Option<Whole>,
}

/// What a tenant may have under way, and who wants it.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub capacity: u32,
    pub parts: Vec<Part>,
    /// What each may have, as long as nothing has changed.
    pub shares: Option<Vec<u32>>,
}

/// What a quota covers, or none does.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub party: allotment::Party,
    pub active: u32,
    pub waiting: u64,
}

impl Whole {
    fn shares(&mut self) -> &[u32] {
        let (capacity, parts) = (self.capacity, &self.parts);
        self.shares.get_or_insert_with(|| {
            let wanted = |part: &Part| part.active.saturating_add(u32::try_from(part.waiting).unwrap_or(u32::MAX));
            let parties: Vec<_> =
                parts.iter().map(|part| allotment::Party { wanted: wanted(part), ..part.party }).collect();
            allot(capacity, &parties)
        })
    }
}

/// Workers alike.
#[derive(Debug, Clone)]
pub(crate) struct Crew {
    pub room: u32,
    /// Of each class, whether they take it.
    pub takes: Vec<bool>,
}

/// An attempt under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnderWay {
    pub began: Timestamp,
    pub line: usize,
    pub crew: Option<usize>,
}

/// The whole of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    pub now: Timestamp,
    pub limits: Vec<Limit>,
    pub meters: Vec<Meter>,
    pub classes: Vec<Class>,
    pub lines: Vec<Line>,
    pub parties: Vec<Party>,
    pub crews: Vec<Crew>,
    pub under_way: Vec<UnderWay>,
    /// Jobs that enter a lane later.
    pub due: Vec<(Timestamp, usize)>,
    /// Sorted samples of run times.
    pub times: Vec<Vec<u32>>,
}

/// What comes at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    End { line: usize, crew: Option<usize> },
    Due { line: usize },
}

/// What one run gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    /// When the lane that was asked for was next granted from.
    pub front: Option<Timestamp>,
    /// When the job that was asked for was granted.
    pub starts: Option<Timestamp>,
    /// Grants and events.
    pub steps: usize,
}

/// Numbers that look like chance, and are the same each time.
#[derive(Debug)]
pub(crate) struct Draws(pub u64);

impl Draws {
    fn next(&mut self) -> u32 {
        self.0 += 1;
        u32::try_from(mix(self.0) >> 32).unwrap_or(0)
    }
}

impl Machine {
    /// What a step costs, beside one of a machine of a few groups: all are looked at for each grant.
    pub fn weight(&self) -> usize {
        1 + self.classes.len() * self.crews.len() / 8 + self.lines.len() / 64
    }

    /// Runs until the job behind `ahead` others of a lane starts, for so many steps at most; a job that did not start
    /// within them starts in proportion.
    pub fn run(&mut self, target: usize, ahead: u64, steps_max: usize, draws: &mut Draws) -> Ran {
        let from = self.now;
        let mut events = BinaryHeap::new();
        for UnderWay { began, line, crew } in std::mem::take(&mut self.under_way) {
            let times = &self.times[self.classes[self.lines[line].class].times];
            let left = remaining_ms(times, from.ms_since(began), draws.next()).unwrap_or(1);
            events.push(Reverse((from.plus_ms(left), Event::End { line, crew })));
        }
        events.extend(self.due.drain(..).map(|(at, line)| Reverse((at, Event::Due { line }))));
        let (mut ran, mut got) = (Ran::default(), 0_u64);
        while ran.steps < steps_max {
            ran.steps += 1;
            if let Some((crew, line)) = self.next() {
                let left = quantile(&self.times[self.classes[self.lines[line].class].times], draws.next()).unwrap_or(1);
                self.grant(crew, line);
                events.push(Reverse((self.now.plus_ms(left.into()), Event::End { line, crew: Some(crew) })));
                if line == target {
                    ran.front.get_or_insert(self.now);
                    got += 1;
                    if got > ahead {
                        ran.starts = Some(self.now);
                        return ran;
                    }
                }
                continue;
            }
            let opening = self.next_opening();
            let event = events.peek().map(|Reverse((at, _))| *at);
            let Some(at) = [opening, event].into_iter().flatten().min() else { return ran };
            self.now = at;
            while let Some(Reverse((_, event))) = events.peek().copied().filter(|Reverse((due, _))| *due <= at) {
                events.pop();
                self.comes(event);
            }
        }
        let passed = u128::from(self.now.ms_since(from)) * (u128::from(ahead) + 1);
        let passed = passed.checked_div(u128::from(got)).map(|ms| u64::try_from(ms).unwrap_or(u64::MAX));
        ran.starts = passed.map(|ms| from.plus_ms(ms));
        ran
    }

    fn comes(&mut self, event: Event) {
        match event {
            Event::End { line, crew } => {
                for limit in &self.lines[line].limits {
                    self.limits[*limit].ended();
                }
                self.count(line, |part| part.active = part.active.saturating_sub(1));
                if let Some(crew) = crew {
                    self.crews[crew].room += 1;
                }
            }
            Event::Due { line: place } => {
                let line = &mut self.lines[place];
                line.waiting += 1;
                if line.waiting == 1 && !line.held {
                    let class = &mut self.classes[line.class];
                    line.pass = line.pass.max(self.parties[class.party].vtime);
                    class.active.insert((line.pass, line.no, place));
                }
                self.count(place, |part| part.waiting += 1);
            }
        }
    }

    /// Takes a change into what the tenant's parts use.
    fn count(&mut self, line: usize, change: impl Fn(&mut Part)) {
        let class = &self.classes[self.lines[line].class];
        let Some(whole) = &mut self.parties[class.party].whole else { return };
        for part in &class.parts {
            change(&mut whole.parts[*part]);
        }
        whole.shares = None;
    }

    /// Who takes what next.
    fn next(&mut self) -> Option<(usize, usize)> {
        // An idle tenant's place is not what it was, but here none is idle for long.
        let mut order: Vec<_> = (0..self.parties.len()).collect();
        order.sort_by_key(|party| (self.parties[*party].place, *party));
        for crew in 0..self.crews.len() {
            if self.crews[crew].room == 0 {
                continue;
            }
            for party in &order {
                let mut best: Option<(bool, (u64, u32, usize))> = None;
                for class in 0..self.classes.len() {
                    let theirs = self.classes[class].party == *party && self.crews[crew].takes[class];
                    let found = theirs && self.lets(class);
                    let first = found.then(|| self.first(class)).flatten();
                    let first = first.map(|first| (!self.classes[class].shared, first));
                    best = [best, first].into_iter().flatten().min();
                }
                if let Some((_, (_, _, line))) = best {
                    return Some((crew, line));
                }
            }
        }
        None
    }

    fn lets(&mut self, class: usize) -> bool {
        let now = self.now;
        let of = &self.classes[class];
        let lets = !of.active.is_empty()
            && of.opens_at <= now
            && of.limits.iter().all(|limit| self.limits[*limit].lets(now))
            && of.meters.iter().all(|meter| self.meters[*meter].opens_at(of.cost, of.urgent, now) <= now);
        let Some(whole) = self.parties[of.party].whole.as_mut().filter(|_| lets) else { return lets };
        // The last part is what no quota covers: only the whole holds it.
        let last = whole.parts.len() - 1;
        of.parts.iter().filter(|part| **part != last).all(|part| whole.parts[*part].active < whole.shares()[*part])
    }

    /// The lane of a class that is next.
    fn first(&self, class: usize) -> Option<(u64, u32, usize)> {
        let Class { cost, urgent, .. } = self.classes[class];
        let open = |line: &Line| {
            line.limits.iter().all(|limit| self.limits[*limit].lets(self.now))
                && line.meters.iter().all(|meter| self.meters[*meter].opens_at(cost, urgent, self.now) <= self.now)
        };
        self.classes[class].active.iter().find(|(_, _, line)| open(&self.lines[*line])).copied()
    }

    fn grant(&mut self, crew: usize, place: usize) {
        let now = self.now;
        let line = &mut self.lines[place];
        let class = &mut self.classes[line.class];
        let party = &mut self.parties[class.party];
        class.active.remove(&(line.pass, line.no, place));
        party.vtime = party.vtime.max(line.pass);
        party.place += 1;
        line.pass += line.cost;
        line.waiting -= 1;
        if line.waiting > 0 {
            class.active.insert((line.pass, line.no, place));
        }
        for limit in &line.limits {
            self.limits[*limit].used += 1;
        }
        for meter in &line.meters {
            self.meters[*meter].spend(class.cost, class.urgent, class.way_ms, now);
        }
        self.crews[crew].room -= 1;
        self.count(place, |part| {
            part.active += 1;
            part.waiting = part.waiting.saturating_sub(1);
        });
    }

    /// When time alone opens something that has work, at the earliest.
    fn next_opening(&self) -> Option<Timestamp> {
        let now = self.now;
        let of_class = |class: &Class| {
            let timed = class.active.iter().filter(|_| class.timed);
            let lines = timed.flat_map(|(_, _, line)| {
                let line = &self.lines[*line];
                let meters =
                    line.meters.iter().map(|meter| self.meters[*meter].opens_at(class.cost, class.urgent, now));
                meters.chain(line.limits.iter().map(|limit| self.limits[*limit].until))
            });
            lines.chain([class.opens_at]).filter(|at| *at > now && *at < NEVER).min()
        };
        self.classes.iter().filter(|class| !class.active.is_empty()).filter_map(of_class).min()
    }
}

#[cfg(test)]
mod tests;
