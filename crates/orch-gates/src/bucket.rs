//! A bucket: all terms of one upstream together, the share of them that it bears now, and whether it is closed.

use orch_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::adaptive::{Adaptive, Cut, CutCause, WHOLE};
use crate::flight::Flight;
use crate::mutant::{self, Mutant};
use crate::pace::Pace;
use crate::window::Window;
use orch_core::term::Term;

/// What is kept for one term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Gauge {
    Window(Window),
    Pace(Pace),
}

/// How a bucket is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules<'a> {
    /// All of them hold.
    pub terms: &'a [Term],
    /// After a cut, milliseconds from nothing to the whole of the terms.
    pub ramp_ms: u64,
    /// So many attempts may be under way at most, if that is limited.
    pub in_flight_max: Option<u32>,
    /// Parts of a hundred of each term that this request must leave to others, in whole requests.
    pub keeps_percent: u32,
}

impl Rules<'_> {
    /// Requests of a term that are kept from this one.
    fn keeps(&self, term: &Term) -> u32 {
        let most = u64::from(term.cost_max());
        u32::try_from(most * u64::from(self.keeps_percent) / 100).unwrap_or(0)
    }
}

/// What holds a request back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A term, by its place in the list.
    Term(usize),
    /// What is left of a term, by its place in the list, is kept for others.
    Kept(usize),
    /// The share that the upstream bears now.
    Share,
    /// It is closed.
    Closed,
    /// A later request was granted already.
    Order,
}

/// The state of a bucket. `Default` is one from which nothing was spent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bucket {
    gauges: Vec<Gauge>,
    adaptive: Adaptive,
    /// Nothing leaves before.
    closed_until: Option<Timestamp>,
    /// The last grant's moment and cost.
    last: Option<(Timestamp, u32)>,
    flight: Flight,
}

impl Bucket {
    /// The earliest moment from `now` on at which a request of this cost may leave, and what holds it until then.
    ///
    /// Exact as long as nothing else is spent or said. A cost above what a term could ever admit at once counts as that.
    /// What the rules keep of a term stays in it: so much is left of each after the request.
    #[must_use]
    pub fn earliest(&self, rules: Rules<'_>, cost: u32, now: Timestamp) -> (Timestamp, Option<Holder>) {
        let mut earliest = (now, None);
        let mut later = |at: Timestamp, holder: Holder| {
            if at > earliest.0 {
                earliest = (at, Some(holder));
            }
        };
        for (place, term) in rules.terms.iter().enumerate() {
            let opens = |keeps: u32| {
                let cost = cost.min(term.cost_max() - keeps);
                match (self.gauges.get(place), term.burst) {
                    (Some(Gauge::Window(window)), None) => window.earliest(term, cost + keeps, now),
                    (Some(Gauge::Pace(pace)), Some(_)) => pace.earliest(term, cost + keeps, now),
                    // Nothing was spent of it yet.
                    _ => now,
                }
            };
            let keeps = if mutant::on(Mutant::NothingKept) { 0 } else { rules.keeps(term) };
            let at = opens(keeps);
            let kept = at > now && keeps > 0 && opens(0) <= now;
            later(at, if kept { Holder::Kept(place) } else { Holder::Term(place) });
            if mutant::on(Mutant::FirstTermOnly) {
                break;
            }
        }
        if let Some(at) = self.closed_until {
            later(at, Holder::Closed);
        }
        if let Some((last, spent)) = self.last {
            if !mutant::on(Mutant::BackInTime) {
                later(last, Holder::Order);
            }
            later(self.spaced(rules, last, spent, now), Holder::Share);
        }
        earliest
    }

    /// While the share is not whole, requests are evenly spaced at the share of the slowest term: what is left of a
    /// window must not leave at once.
    fn spaced(&self, rules: Rules<'_>, last: Timestamp, spent: u32, now: Timestamp) -> Timestamp {
        let spacing = |share: u32| {
            let of = |term: &Term| {
                let parts = u64::from(term.limit) * u64::from(share);
                (term.guarded_ms() * u64::from(WHOLE) * u64::from(spent)).div_ceil(parts.max(1))
            };
            rules.terms.iter().map(of).max().unwrap_or(0)
        };
        let whole = self.adaptive.reaches(WHOLE, rules.ramp_ms, now);
        if whole <= now || mutant::on(Mutant::ShareIgnored) {
            return now;
        }
        // The share rises while the request waits: the first moment at which the spacing for the share of that moment
        // has passed lies between now and the spacing of now's share.
        let passed = |at: Timestamp| at >= last.plus_ms(spacing(self.adaptive.share(rules.ramp_ms, at)));
        let (mut low, mut high) = (now, now.max(last.plus_ms(spacing(self.adaptive.share(rules.ramp_ms, now)))));
        while low < high {
            let middle = low.plus_ms(high.ms_since(low) / 2);
            if passed(middle) { high = middle } else { low = middle.plus_ms(1) }
        }
        high
    }

    /// Spends for a request that leaves at a moment that `earliest` gave, or at a later one.
    pub fn spend(&mut self, rules: Rules<'_>, cost: u32, at: Timestamp) {
        self.gauges.truncate(rules.terms.len());
        for (place, term) in rules.terms.iter().enumerate() {
            let cost = cost.min(term.cost_max());
            match (self.gauges.get_mut(place), term.burst) {
                (Some(Gauge::Window(window)), None) => window.spend(term, cost, at),
                (Some(Gauge::Pace(pace)), Some(_)) => pace.spend(term, cost, at),
                // A new term, or one of another kind than the one that stood here: it begins empty.
                (_, None) => self.put(place, Gauge::Window(spent(Window::default(), |it| it.spend(term, cost, at)))),
                (_, Some(_)) => self.put(place, Gauge::Pace(spent(Pace::default(), |it| it.spend(term, cost, at)))),
            }
        }
        self.last = Some((at, cost));
    }

    fn put(&mut self, place: usize, gauge: Gauge) {
        if place < self.gauges.len() { self.gauges[place] = gauge } else { self.gauges.push(gauge) }
    }

    /// A request that left at `sent` was refused: the cut that it asks for, if any. It counts once it is `take`n.
    #[must_use]
    pub fn cut(&self, rules: Rules<'_>, cause: CutCause, sent: Timestamp, now: Timestamp) -> Option<Cut> {
        let in_flight = rules.in_flight_max.map(|ceiling| self.flight.cut(ceiling));
        self.adaptive.cut(cause, sent, rules.ramp_ms, now).map(|cut| Cut { in_flight, ..cut })
    }

    /// A cut was decided.
    pub fn take(&mut self, cut: Cut) {
        if mutant::on(Mutant::ClosureForgotten) {
            self.closed_until = None;
        }
        if let Some(left) = cut.in_flight {
            self.flight.take(left);
        }
        self.adaptive.take(cut);
    }

    /// An attempt ended well while so many were under way, itself counted.
    pub fn succeeded(&mut self, in_flight_max: u32, under_way: u32) {
        self.flight.succeeded(in_flight_max, under_way);
    }

    /// What may be under way.
    #[must_use]
    pub fn flight(&self) -> Flight {
        self.flight
    }

    /// Nothing leaves before `until`. An earlier closure that lasts longer stays.
    pub fn close(&mut self, until: Timestamp) {
        self.closed_until = self.closed_until.max(Some(until));
    }

    /// An operator opens it again, at the whole of its terms.
    pub fn reset(&mut self) {
        self.closed_until = None;
        self.flight.reset();
        self.adaptive.reset();
    }

    /// Until when it is closed.
    #[must_use]
    pub fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.closed_until.filter(|until| *until > now)
    }

    /// The share of the terms that is used, and its history.
    #[must_use]
    pub fn adaptive(&self) -> &Adaptive {
        &self.adaptive
    }

    /// What each term would still admit at once at this moment, whatever the share.
    #[must_use]
    pub fn left(&self, rules: Rules<'_>, now: Timestamp) -> Vec<u32> {
        let of = |(place, term): (usize, &Term)| match (self.gauges.get(place), term.burst) {
            (Some(Gauge::Window(window)), None) => window.left(term, now),
            (Some(Gauge::Pace(pace)), Some(_)) => pace.left(term, now),
            _ => term.cost_max(),
        };
        rules.terms.iter().enumerate().map(of).collect()
    }
}

fn spent<T>(mut gauge: T, spend: impl FnOnce(&mut T)) -> T {
    spend(&mut gauge);
    gauge
}
