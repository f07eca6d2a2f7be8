//! Blackouts of a tenant: which of them hold a group of lanes now, until when, and whose attempts they end.
//!
//! Calendars are read when they are declared and after a recovery. Whether one holds is worked out when that changes,
//! and not at each grant. No fact depends on it but by what was decided: a grant that is recorded was allowed.

use orch_core::blackout::{Blackout, BlackoutAction};
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::Fact;
use orch_core::ids::{JobId, LaneNo};
use orch_core::refusal::Refusal;
use orch_core::time::Timestamp;
use orch_gates::{blackout as gates, calendar};

use crate::answer::{Gate, Hold, HostGate};
use crate::decide::Desk;
use crate::mutant::{self, Mutant};
use crate::tenant::{Configs, Group, Tenant, of_kind};
use crate::wheel::{Watched, Wheel};

/// Attempts that are asked to end at once; the others follow a moment later.
const CANCELS_AT_ONCE: usize = 512;

/// The blackouts of a tenant, and what is known of them now.
#[derive(Debug, Default)]
pub(crate) struct Blackouts {
    all: Vec<Standing>,
    /// What is known holds until then.
    look_at: Option<Timestamp>,
    /// The timer wheel has an entry for then.
    watched: Option<Timestamp>,
}

/// A declared blackout that was read.
#[derive(Debug)]
struct Standing {
    doc: Blackout,
    version: u64,
    /// `None`: its calendar cannot be read here, as where a zone is not known; it holds.
    read: Option<gates::Blackout>,
    now: Option<Held>,
    /// `now` is right until then; `None`: for ever.
    until: Option<Timestamp>,
}

/// It holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// What a group of lanes knows of blackouts.
#[derive(Debug, Default)]
pub(crate) struct Shade {
    /// Places of those that may hold it.
    by: Vec<usize>,
    /// One of them holds it now.
    pub held: bool,
    /// None of those that hold it now does so after then; `None`: that is not known.
    pub until: Option<Timestamp>,
}

/// A window of a blackout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowFound {
    /// Its first moment.
    pub begins_at: Timestamp,
    /// The moment after its last.
    pub ends_at: Timestamp,
    /// The first moment on the wall clock of the calendar's zone.
    pub begins_local: String,
    /// The moment after its last there.
    pub ends_local: String,
}

impl Standing {
    fn new(doc: &Blackout, version: u64) -> Self {
        let read = if mutant::on(Mutant::BlackoutLeadForgotten) {
            gates::Blackout::read(&Blackout { lead_ms: 0, ..doc.clone() })
        } else {
            gates::Blackout::read(doc)
        };
        Self { doc: doc.clone(), version, read: read.ok(), now: None, until: Some(Timestamp::ZERO) }
    }

    fn look(&mut self, now: Timestamp) {
        let Some(read) = &self.read else {
            (self.now, self.until) = (Some(Held { since: None, until: None }), None);
            return;
        };
        let held = read.span_at(now);
        self.now = held.map(|(since, until)| Held { since: Some(since), until: Some(until) });
        self.until = held.map(|(_, until)| until).or_else(|| read.next_span(now).map(|(begins, _)| begins));
    }

    fn cancels(&self) -> bool {
        self.doc.action == BlackoutAction::Cancel
    }
}

impl Blackouts {
    /// Reads what is declared; what is known of a version is kept.
    pub fn declared(&mut self, configs: &Configs) {
        let mut before = std::mem::take(&mut self.all);
        for found in of_kind(configs, ConfigKind::Blackout) {
            let ConfigDoc::Blackout(doc) = &found.doc else { continue };
            let same = |one: &Standing| {
                one.doc.name == doc.name && (one.version == found.version || mutant::on(Mutant::BlackoutOfOldVersion))
            };
            let known = before.iter().position(same).map(|place| before.swap_remove(place));
            self.all.push(known.unwrap_or_else(|| Standing::new(doc, found.version)));
        }
        self.look_at = (!self.all.is_empty()).then_some(Timestamp::ZERO);
    }

    /// Those that may hold work of this kind.
    pub fn shade(&mut self, job_type: &str, source: Option<&str>, host: Option<&str>) -> Shade {
        let may = |(_, one): &(usize, &Standing)| one.doc.holds(Some(job_type), source, host);
        let by: Vec<_> = self.all.iter().enumerate().filter(may).map(|(place, _)| place).collect();
        if !by.is_empty() {
            self.look_at = Some(Timestamp::ZERO);
        }
        Shade { by, ..Shade::default() }
    }

    /// Is what is known of them out of date?
    pub fn are_stale(&self, now: Timestamp) -> bool {
        self.look_at.is_some_and(|at| at <= now)
    }

    fn holding<'a>(&'a self, shade: &'a Shade) -> impl Iterator<Item = (&'a Standing, Held)> {
        shade.by.iter().filter_map(|place| Some((&self.all[*place], self.all[*place].now?)))
    }
}

impl Tenant {
    /// Works out which of them hold now, if that may have changed. Call before lanes are chosen or explained.
    pub fn look_at_blackouts(&mut self, now: Timestamp) {
        if !self.index.blackouts.are_stale(now) {
            return;
        }
        let blackouts = &mut self.index.blackouts;
        for one in blackouts.all.iter_mut().filter(|one| one.until.is_some_and(|at| at <= now)) {
            one.look(now);
        }
        blackouts.look_at = blackouts.all.iter().filter_map(|one| one.until).min();
        for group in &mut self.index.groups {
            let ends: Vec<_> = blackouts.holding(&group.shade).map(|(_, held)| held.until).collect();
            group.shade.held = !ends.is_empty();
            group.shade.until = ends.into_iter().collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        }
    }

    /// What holds a lane, for people.
    pub fn blackout_hold(&self, no: LaneNo, now: Timestamp) -> Option<Hold> {
        let shade = &self.group(no).shade;
        let holding: Vec<_> = self.index.blackouts.holding(shade).collect();
        let names: Vec<_> =
            holding.iter().map(|(one, _)| format!("`{}` ({})", one.doc.name, one.doc.action.as_str())).collect();
        let by = match names.as_slice() {
            [] => return None,
            [name] => format!("blackout {name}"),
            names => format!("blackouts {}", names.join(", ")),
        };
        let since = holding.iter().filter_map(|(_, held)| held.since).min();
        let all = shade.by.iter().map(|place| self.index.blackouts.all[*place].read.as_ref());
        let opens_at = all.collect::<Option<Vec<_>>>().and_then(|all| gates::opens_at(&all, now));
        Some(Hold { gate: Gate::Blackout, by, since, opens_at })
    }

    /// What will hold a lane at a later moment, when all that holds it now has opened.
    pub fn blackout_ahead(&self, no: LaneNo, at: Timestamp) -> Option<Hold> {
        let all = self.group(no).shade.by.iter().map(|place| &self.index.blackouts.all[*place]);
        let all: Vec<_> = all.filter_map(|one| Some((&one.doc.name, one.read.as_ref()?))).collect();
        let (name, (since, _)) = all.iter().find_map(|(name, read)| Some((name, read.span_at(at)?)))?;
        let reads: Vec<_> = all.iter().map(|(_, read)| *read).collect();
        let (by, since) = (format!("blackout `{name}`: it will hold by then"), Some(since));
        Some(Hold { gate: Gate::Blackout, by, since, opens_at: gates::opens_at(&reads, at) })
    }

    /// Those of this kind, and whether they hold now.
    pub fn blackouts_where(&self, which: impl Fn(&Blackout) -> bool, now: Timestamp) -> Vec<HostGate> {
        let those = self.index.blackouts.all.iter().filter(|one| which(&one.doc));
        let shown = |one: &Standing| {
            let by = format!("blackout `{}` ({})", one.doc.name, one.doc.action.as_str());
            let opens_at = one.now.and(one.read.as_ref()).and_then(|read| gates::opens_at(&[read], now));
            let hold = Hold { gate: Gate::Blackout, by, since: one.now.and_then(|held| held.since), opens_at };
            HostGate { name: Some(one.doc.name.clone()), holds: one.now.is_some(), hold }
        };
        those.map(shown).collect()
    }

    /// Has the timer wheel look at attempts that a blackout may end.
    pub fn watch_blackouts(&mut self, at: Timestamp, wheel: &mut Wheel) {
        let blackouts = &mut self.index.blackouts;
        let needed = blackouts.all.iter().any(Standing::cancels);
        if needed && blackouts.watched.is_none_or(|watched| at < watched) {
            blackouts.watched = Some(at);
            wheel.put(at, self.no, Watched::Blackouts);
        }
    }

    /// A new owner begins to serve, with a new wheel.
    pub fn watch_blackouts_anew(&mut self, now: Timestamp, wheel: &mut Wheel) {
        self.index.blackouts.watched = None;
        self.watch_blackouts(now, wheel);
    }

    /// Attempts under way that a blackout which cancels holds now, with its name, and were not asked to end yet.
    fn to_cancel(&self) -> Vec<(JobId, String)> {
        let blackouts = &self.index.blackouts;
        let by = |group: &Group| {
            let mut holding = blackouts.holding(&group.shade).map(|(one, _)| one);
            holding.find(|one| one.cancels()).map(|one| one.doc.name.clone())
        };
        let held: Vec<_> =
            self.index.groups.iter().map(|group| if group.leased > 0 { by(group) } else { None }).collect();
        if held.iter().all(Option::is_none) || mutant::on(Mutant::BlackoutCancelForgotten) {
            return Vec::new();
        }
        let under_way = self.index.by_claim.iter().filter_map(|(_, _, id)| {
            let job = self.jobs.get(id)?;
            job.lease.as_ref().filter(|lease| lease.grace_until.is_none())?;
            Some((*id, held[self.index.group_of_lane[job.lane.0 as usize - 1]].clone()?))
        });
        under_way.take(CANCELS_AT_ONCE + 1).collect()
    }
}

impl Desk<'_> {
    /// A calendar makes sense, and comes.
    pub fn calendar_comes(&self, doc: &ConfigDoc) -> Result<(), Refusal> {
        match doc {
            ConfigDoc::Blackout(doc) => check(doc, self.at.now),
            _ => Ok(()),
        }
    }

    /// Asks attempts to end that lie in the window of a blackout which cancels.
    pub fn cancel_in_blackouts(&mut self) {
        let now = self.at.now;
        if self.tenant.index.blackouts.watched.is_some_and(|watched| watched > now) {
            // Another entry of the wheel took its place.
            return;
        }
        self.tenant.look_at_blackouts(now);
        let mut asked = self.tenant.to_cancel();
        let more = asked.len() > CANCELS_AT_ONCE;
        asked.truncate(CANCELS_AT_ONCE);
        for (job, name) in asked {
            let held = &self.tenant.jobs[&job];
            let (prev, grace_ms) = (held.last_seq, self.tenant.policy(held.lane).cancel_grace_ms);
            let (by, grace_until) = (format!("blackout {name}"), now.plus_ms(grace_ms));
            self.emit(Fact::CancelRequested { by, grace_until, job, prev, reason: None });
        }
        let blackouts = &mut self.tenant.index.blackouts;
        blackouts.watched = None;
        let next = blackouts.all.iter().filter(|one| one.cancels()).filter_map(|one| one.until).min();
        if let Some(at) = if more { Some(now) } else { next } {
            self.tenant.watch_blackouts(at, self.wheel);
        }
    }
}

/// Checks a blackout that is to be declared now.
///
/// # Errors
/// A refusal that names the field that makes no sense, and a calendar that never comes.
pub fn check(doc: &Blackout, now: Timestamp) -> Result<(), Refusal> {
    gates::Blackout::declare(doc, now).map(drop)
}

/// The windows of a blackout from a moment on, the one that it lies in included.
///
/// # Errors
/// The calendar cannot be read here.
pub fn windows(doc: &Blackout, from: Timestamp, count: usize) -> Result<Vec<WindowFound>, Refusal> {
    let read = gates::Blackout::read(doc)?;
    let calendar = read.calendar();
    let first = calendar.window_at(from).or_else(|| calendar.next_after(from));
    let all = std::iter::successors(first, |(begins, _)| calendar.next_after(*begins));
    let shown = |(begins_at, ends_at): calendar::Window| {
        let (begins_local, ends_local) = (calendar.local(begins_at), calendar.local(ends_at));
        WindowFound { begins_at, ends_at, begins_local, ends_local }
    };
    Ok(all.take(count).map(shown).collect())
}

/// When a time of this length begins, at the earliest, in which none of the blackouts holds; `None`: it was not found.
///
/// # Errors
/// A calendar cannot be read here.
pub fn quiet_from(docs: &[Blackout], from: Timestamp, length_ms: u64) -> Result<Option<Timestamp>, Refusal> {
    let read = docs.iter().map(gates::Blackout::read).collect::<Result<Vec<_>, _>>()?;
    Ok(gates::quiet_from(&read.iter().collect::<Vec<_>>(), from, length_ms))
}
