//! Judges schedules by the clock: every nominal instant is decided once, in order, and as its schedule says.
//!
//! The world declares timetables of two forms, an interval and `*/N * * * * *` in UTC, which are reckoned here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orch_core::fact::{Fact, Record};
use orch_core::ids::{JobId, TenantNo};
use orch_core::limits;
use orch_core::schedule::{Misfire, Overlap, Schedule, SkipCause};
use orch_core::time::Timestamp;

use super::{Judged, Model, Tenant, ensure};

const ONCE: &str = "10: one firing an instant";
const OVERLAP: &str = "a schedule's overlap policy holds";

/// A look at schedules is at most so late.
const LATE_MS: u64 = 64;
/// A paused schedule's instants are noted so late at most.
const PAUSED_LATE_MS: u64 = 61_000;

/// A schedule, as history tells it.
#[derive(Debug, Default)]
pub struct Course {
    doc: Schedule,
    decided: Timestamp,
    waiting: VecDeque<Timestamp>,
    open: BTreeSet<JobId>,
    paused: bool,
}

/// A tenant's schedules, by name.
pub type Courses = BTreeMap<String, Course>;

/// The first nominal instant after a moment.
fn next(doc: &Schedule, after: Timestamp) -> Option<Timestamp> {
    if let Some(every) = doc.timetable.every_ms {
        let every = i64::try_from(every).ok()?;
        return Some(Timestamp::from_millis((after.millis().div_euclid(every) + 1) * every));
    }
    let every = doc.timetable.cron.as_deref()?.strip_prefix("*/")?.split(' ').next()?.parse::<i64>().ok()?;
    let first = after.millis().div_euclid(1_000) + 1;
    (first..first + 60).find(|second| second.rem_euclid(60) % every == 0).map(|s| Timestamp::from_millis(s * 1_000))
}

impl Course {
    /// The next instant that is to be decided.
    fn next(&self) -> Option<Timestamp> {
        next(&self.doc, self.decided)
    }

    /// It is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Instants that are over and not decided.
    fn owes(&self, at: Timestamp) -> bool {
        self.next().is_some_and(|next| next <= at)
    }
}

/// Takes a version; what the one before owed must be decided.
pub(super) fn declared(tenant: &mut Tenant, doc: &Schedule, at: Timestamp) -> Judged {
    let course =
        tenant.schedules.entry(doc.name.clone()).or_insert_with(|| Course { decided: at, ..Course::default() });
    if !course.doc.name.is_empty() && course.doc.timetable != doc.timetable {
        ensure(!course.owes(at), ONCE, || format!("{doc:?} takes the place of one that owes: {course:?}"))?;
        course.decided = course.decided.max(at);
    }
    course.doc = doc.clone();
    Ok(())
}

/// It is declared no more; what it owed must be decided.
pub(super) fn deleted(tenant: &mut Tenant, name: &str, at: Timestamp) -> Judged {
    let Some(course) = tenant.schedules.remove(name) else { return Ok(()) };
    ensure(!course.owes(at) && course.waiting.is_empty(), ONCE, || format!("{course:?} goes and owes"))
}

/// A job was accepted for an instant.
pub(super) fn fired(tenant: &mut Tenant, (name, nominal): (&str, Timestamp), id: JobId, at: Timestamp) -> Judged {
    let course = tenant.schedules.get_mut(name);
    let course = course.ok_or_else(|| super::Violation { promise: ONCE, text: format!("`{name}` is none") })?;
    ensure(!course.paused, "a paused schedule holds", || format!("{nominal} fired: {course:?}"))?;
    let busy = !course.open.is_empty() && course.doc.overlap != Overlap::Allow;
    ensure(!busy, OVERLAP, || format!("{nominal} fired beside open jobs: {course:?}"))?;
    if course.waiting.front() == Some(&nominal) {
        course.waiting.pop_front();
    } else {
        let due = course.next() == Some(nominal) && nominal <= at;
        ensure(due, ONCE, || format!("{nominal} fired at {at}: {course:?}"))?;
        course.decided = nominal;
    }
    course.open.insert(id);
    Ok(())
}

/// A job ended, perhaps one of a schedule.
pub(super) fn ended(tenant: &mut Tenant, id: JobId) {
    for course in tenant.schedules.values_mut() {
        course.open.remove(&id);
    }
}

/// Does this schedule end the job, to make way for its next instant?
pub(super) fn cancels(tenant: &Tenant, id: JobId, name: &str) -> bool {
    tenant
        .schedules
        .get(name)
        .is_some_and(|course| course.doc.overlap == Overlap::CancelRunning && course.open.contains(&id))
}

/// Does any?
pub(super) fn may_cancel(tenant: &Tenant, id: JobId) -> bool {
    tenant.schedules.keys().any(|name| cancels(tenant, id, name))
}

/// Takes a fact of a schedule. What was seen.
pub(super) fn fact(tenant: &mut Tenant, record: &Record) -> Result<Option<&'static str>, super::Violation> {
    let at = record.at;
    match &record.body {
        Fact::ScheduleSkipped { cause, count, first_at, last_at, schedule, .. } => {
            let course = tenant.schedules.entry(schedule.clone()).or_default();
            skipped(course, *cause, (*first_at, *last_at), *count, at)?;
            Ok(Some(match cause {
                SkipCause::Overlap => "an instant was skipped: overlap",
                SkipCause::Superseded => "an instant was skipped: superseded",
                SkipCause::Paused => "an instant was skipped: paused",
                _ => "an instant was skipped: otherwise",
            }))
        }
        Fact::ScheduleBuffered { nominal_at, schedule } => {
            let course = tenant.schedules.entry(schedule.clone()).or_default();
            let due = course.next() == Some(*nominal_at) && *nominal_at <= at;
            ensure(due, ONCE, || format!("{nominal_at} waits at {at}: {course:?}"))?;
            let may = match course.doc.overlap {
                Overlap::BufferOne | Overlap::CancelRunning => course.waiting.is_empty(),
                Overlap::BufferAll => true,
                _ => false,
            };
            let busy = !course.open.is_empty() || !course.waiting.is_empty();
            ensure(may && busy, OVERLAP, || format!("{nominal_at} waits: {course:?}"))?;
            course.decided = *nominal_at;
            course.waiting.push_back(*nominal_at);
            Ok(Some("schedule_buffered"))
        }
        Fact::SchedulePaused { schedule, .. } | Fact::ScheduleResumed { schedule, .. } => {
            let paused = matches!(record.body, Fact::SchedulePaused { .. });
            let course = tenant.schedules.entry(schedule.clone()).or_default();
            ensure(course.paused != paused, "facts", || format!("`{schedule}` was {paused} already"))?;
            course.paused = paused;
            Ok(Some(record.body.kind()))
        }
        _ => Ok(None),
    }
}

fn skipped(
    course: &mut Course,
    cause: SkipCause,
    (first, last): (Timestamp, Timestamp),
    count: u64,
    at: Timestamp,
) -> Judged {
    if course.waiting.contains(&first) {
        let alone = count == 1 && first == last;
        ensure(alone, ONCE, || format!("{first} to {last}, {count}, though they wait: {course:?}"))?;
        course.waiting.retain(|waiting| *waiting != first);
        return Ok(());
    }
    ensure(course.next() == Some(first) && last <= at, ONCE, || format!("{first} was skipped at {at}: {course:?}"))?;
    let of = |n: &Timestamp| next(&course.doc, *n);
    let all: Vec<_> = std::iter::successors(Some(first), of).take_while(|instant| *instant <= last).collect();
    let whole = all.len() as u64 == count && all.last() == Some(&last);
    ensure(whole, ONCE, || format!("{count} instants from {first} to {last}: {course:?}"))?;
    let late = at.ms_since(last) > limits::LATE_MS;
    let busy = !course.open.is_empty() || !course.waiting.is_empty();
    let may = match cause {
        SkipCause::Overlap => busy && matches!(course.doc.overlap, Overlap::Skip | Overlap::BufferOne),
        SkipCause::Misfire => late && course.doc.misfire != Misfire::FireAll,
        SkipCause::CatchUp => late && at.ms_since(last) > course.doc.catch_up_ms,
        SkipCause::Paused => course.paused,
        SkipCause::Superseded | SkipCause::BufferFull => false,
        SkipCause::Replaced | SkipCause::Refused => true,
    };
    ensure(may, OVERLAP, || format!("{first} to {last} were skipped ({cause:?}) at {at}: {course:?}"))?;
    course.decided = last;
    Ok(())
}

impl Model {
    /// The owner has looked at the clock and has nothing under way: what was due is decided, and what could come came.
    ///
    /// # Errors
    /// A schedule owes an instant.
    pub fn fired(&self, now: Timestamp) -> Judged {
        for (no, tenant) in &self.tenants {
            let since = self.served_since.max(tenant.configured_at).max(tenant.touched_at);
            for course in tenant.schedules.values() {
                let late_ms = if course.paused { PAUSED_LATE_MS } else { LATE_MS };
                let late = |next: Timestamp| next.max(since).plus_ms(late_ms) < now;
                ensure(!course.next().is_some_and(late), ONCE, || format!("{no:?} owes at {now}: {course:?}"))?;
                let idle = course.open.is_empty() && !course.waiting.is_empty() && since.plus_ms(late_ms) < now;
                ensure(!idle, OVERLAP, || format!("{no:?} waits for nothing at {now}: {course:?}"))?;
            }
        }
        Ok(())
    }

    /// A schedule may pause itself, or somebody asked.
    pub(super) fn schedule_fact(&mut self, no: TenantNo, record: &Record) -> Judged {
        if let Fact::ScheduleResumed { schedule, .. } | Fact::SchedulePaused { schedule, .. } = &record.body {
            let pause = matches!(record.body, Fact::SchedulePaused { .. });
            let by_itself = matches!(&record.body, Fact::SchedulePaused { by, .. } if by.starts_with("schedule "));
            let asked = by_itself || self.log.schedule_pauses.contains(&(no, schedule.clone(), pause));
            ensure(asked, "nothing unasked", || format!("`{schedule}`: {pause}"))?;
        }
        let seen = fact(self.tenants.entry(no).or_default(), record)?;
        seen.into_iter().for_each(|what| self.saw(what));
        Ok(())
    }
}
