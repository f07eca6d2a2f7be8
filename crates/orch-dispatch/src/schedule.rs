//! Schedules of a tenant: which nominal instants are due, and what becomes of each.
//!
//! Every nominal instant after a schedule's declaration is decided once, in order: its job is accepted, it waits for an
//! open job, or it is skipped with the reason. The fact of each says so, and `Course` is what those facts come to; so a
//! new owner goes on where the last one was. Timetables are read when they are declared and after a recovery. Jobs that a
//! schedule asked for are held in memory, so that their ends are known and they can be asked to end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::Fact;
use orch_core::ids::{JobId, RunId};
use orch_core::job::{JobState, sha256_hex};
use orch_core::limits;
use orch_core::port::FiringRow;
use orch_core::refusal::{Code, Refusal};
use orch_core::run::{RunSpec, RunTrigger};
use orch_core::schedule::{Asked, Firing, Misfire, Overlap, Schedule, ScheduledJob, ScheduledRun, SkipCause};
use orch_core::time::Timestamp;
use orch_gates::timetable::Timetable;
use orch_gates::zones;
use serde::{Deserialize, Serialize};

pub use orch_gates::timetable::Instant;
pub use orch_gates::zones::version as zones_version;

use crate::answer::{Answer, ScheduleFound, Stopped};
use crate::command::{Actor, NewJob, NewRun, WhichGraph};
use crate::decide::Desk;
use crate::enqueue::DEFAULT_PROJECT;
use crate::mutant::{self, Mutant};
use crate::tenant::{Configs, Pause, Tenant, of_kind};
use crate::wheel::{Watched, Wheel};

/// Nominal instants that are decided at once; the others follow a moment later. Each may accept a job and cancel another.
const DECIDED_AT_ONCE: usize = 256;
/// Open jobs that are named of one.
const OPEN_SHOWN: usize = 100;
/// A paused schedule's instants are noted so often.
const PAUSED_LOOK_MS: u64 = 60_000;

/// What is known of a schedule, by its facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    /// Nominal instants up to here are decided, or wait.
    pub decided: Timestamp,
    /// Those that wait for open jobs, in order.
    pub waiting: VecDeque<Timestamp>,
    /// Open jobs and runs that it asked for.
    pub open: BTreeSet<Asked>,
    /// Jobs in a row that failed.
    pub failures: u32,
    /// Nominal instants that had a job.
    pub fired: u64,
    /// Those that had none.
    pub skipped: u64,
    /// Of those, the ones that could not be kept.
    pub missed: u64,
    /// The last that it asked for, and its nominal instant.
    pub last: Option<(Timestamp, Asked)>,
    pub paused: Option<Pause>,
}

/// The timetables of a tenant's schedules, and when to look at each. Rebuilt, never saved.
#[derive(Debug, Default)]
pub(crate) struct Timetables {
    all: BTreeMap<String, Read>,
    /// Which schedule each open job and run is of.
    of_asked: BTreeMap<Asked, String>,
    /// The timer wheel has an entry for then.
    watched: Option<Timestamp>,
}

#[derive(Debug)]
struct Read {
    version: u64,
    /// `None`: it cannot be read here, as where a zone is not known; nothing is due.
    table: Option<Timetable>,
    /// When it is looked at; `None`: it does not come again.
    look_at: Option<Timestamp>,
}

impl Timetables {
    /// Reads what is declared; what is known of a version is kept.
    pub fn declared(&mut self, configs: &Configs) {
        let mut before = std::mem::take(&mut self.all);
        for found in of_kind(configs, ConfigKind::Schedule) {
            let ConfigDoc::Schedule(doc) = &found.doc else { continue };
            let known = before.remove(&doc.name).filter(|read| read.version == found.version);
            let table = || Timetable::read(doc).ok();
            let read = known.unwrap_or_else(|| Read {
                version: found.version,
                table: table(),
                look_at: Some(Timestamp::ZERO),
            });
            self.all.insert(doc.name.clone(), read);
        }
        self.of_asked.retain(|_, name| self.all.contains_key(name));
    }

    fn next(&self) -> Option<Timestamp> {
        self.all.values().filter_map(|read| read.look_at).min()
    }
}

/// Instants on end that are skipped for the same reason.
struct Skips {
    cause: SkipCause,
    first: Timestamp,
    last: Timestamp,
    count: u64,
    refusal: Option<String>,
}

impl Tenant {
    /// The declared schedule of this name.
    pub fn schedule(&self, name: &str) -> Option<&Schedule> {
        match self.configs.get(&(ConfigKind::Schedule, name.to_owned())).map(|found| &found.doc) {
            Some(ConfigDoc::Schedule(doc)) => Some(doc),
            _ => None,
        }
    }

    /// A schedule is declared, in place of another version or of none. Only instants from now on are its own.
    pub fn schedule_declared(&mut self, doc: &Schedule, at: Timestamp) {
        let same = self.schedule(&doc.name).is_some_and(|before| same_times(before, doc));
        let course = self.schedules.entry(doc.name.clone()).or_default();
        if !same {
            course.decided = course.decided.max(at);
        }
    }

    /// A job was accepted, or a run began, for a nominal instant.
    pub fn schedule_fired(&mut self, firing: &Firing, asked: Asked) {
        let Some(course) = self.schedules.get_mut(&firing.schedule) else { return };
        let at = firing.nominal_at;
        course.waiting.retain(|waiting| *waiting != at);
        if !mutant::on(Mutant::FiringNotNoted) {
            course.decided = course.decided.max(at);
        }
        course.fired += 1;
        course.last = Some((at, asked));
        course.open.insert(asked);
        self.index.timetables.of_asked.insert(asked, firing.schedule.clone());
    }

    /// Nominal instants were skipped.
    pub fn schedule_skipped(
        &mut self,
        name: &str,
        (first, last): (Timestamp, Timestamp),
        count: u64,
        cause: SkipCause,
    ) {
        let Some(course) = self.schedules.get_mut(name) else { return };
        course.waiting.retain(|waiting| *waiting < first || last < *waiting);
        course.decided = course.decided.max(last);
        course.skipped += count;
        if matches!(cause, SkipCause::Misfire | SkipCause::CatchUp) {
            course.missed += count;
        }
    }

    /// A nominal instant waits for open jobs.
    pub fn schedule_buffered(&mut self, name: &str, at: Timestamp) {
        let Some(course) = self.schedules.get_mut(name) else { return };
        course.decided = course.decided.max(at);
        course.waiting.push_back(at);
    }

    /// A job or a run ended: it may be a schedule's, of which another instant waits for that.
    pub fn schedule_ended(&mut self, asked: Asked, state: JobState, at: Timestamp, wheel: &mut Wheel) {
        let Some(name) = self.index.timetables.of_asked.remove(&asked) else { return };
        let Some(course) = self.schedules.get_mut(&name) else { return };
        course.open.remove(&asked);
        match state {
            JobState::Failed => course.failures = course.failures.saturating_add(1),
            JobState::Succeeded => course.failures = 0,
            _ => {}
        }
        self.stir_schedule(&name, at, wheel);
    }

    /// A schedule was paused, or goes on.
    pub fn schedule_paused(&mut self, name: &str, pause: Option<Pause>, at: Timestamp, wheel: &mut Wheel) {
        let Some(course) = self.schedules.get_mut(name) else { return };
        course.paused = pause;
        if course.paused.is_none() {
            course.failures = 0;
        }
        self.stir_schedule(name, at, wheel);
    }

    fn stir_schedule(&mut self, name: &str, at: Timestamp, wheel: &mut Wheel) {
        if let Some(read) = self.index.timetables.all.get_mut(name) {
            read.look_at = Some(Timestamp::ZERO);
            self.watch_schedules(at, wheel);
        }
    }

    /// Reads timetables, and knows whose the open jobs are.
    pub fn index_schedules(&mut self) {
        let of =
            |(name, course): (&String, &Course)| course.open.iter().map(|of| (*of, name.clone())).collect::<Vec<_>>();
        self.index.timetables.of_asked = self.schedules.iter().flat_map(of).collect();
        self.index.timetables.declared(&self.configs);
    }

    /// Has the timer wheel look at schedules when the next is due, and not before a moment.
    pub fn watch_schedules(&mut self, at: Timestamp, wheel: &mut Wheel) {
        let Some(next) = self.index.timetables.next() else { return };
        let next = next.max(at);
        if self.index.timetables.watched.is_none_or(|watched| next < watched) {
            self.index.timetables.watched = Some(next);
            wheel.put(next, self.no, Watched::Schedules);
        }
    }

    /// A new owner begins to serve, with a new wheel.
    pub fn watch_schedules_anew(&mut self, now: Timestamp, wheel: &mut Wheel) {
        self.index.timetables.watched = None;
        self.watch_schedules(now, wheel);
    }

    /// Nominal instants that are due now, in order, and whether there are more.
    fn due(&self, doc: &Schedule, now: Timestamp) -> (Vec<Timestamp>, bool) {
        let (course, read) = (self.schedules.get(&doc.name), self.index.timetables.all.get(&doc.name));
        let Some((course, table)) = course.zip(read.and_then(|read| read.table.as_ref())) else {
            return (Vec::new(), false);
        };
        let all = std::iter::successors(table.next_after(course.decided), |at| table.next_after(*at));
        let mut due: Vec<_> =
            all.take_while(|at| at.plus_ms(doc.jitter_of(*at)) <= now).take(DECIDED_AT_ONCE + 1).collect();
        let more = due.len() > DECIDED_AT_ONCE;
        due.truncate(DECIDED_AT_ONCE);
        (due, more)
    }

    /// When a schedule's next nominal instant is due.
    fn next_due(&self, doc: &Schedule) -> Option<Timestamp> {
        let next = self.index.timetables.all.get(&doc.name)?.table.as_ref()?;
        let at = next.next_after(self.schedules.get(&doc.name)?.decided)?;
        Some(at.plus_ms(doc.jitter_of(at)))
    }

    /// A schedule as it stands.
    pub fn schedule_found(&self, name: &str) -> Option<ScheduleFound> {
        let (doc, course) = (self.schedule(name)?, self.schedules.get(name)?.clone());
        Some(ScheduleFound {
            decided_until: course.decided,
            next_at: self.next_due(doc).filter(|_| course.paused.is_none()),
            waiting: course.waiting.into(),
            open_count: course.open.len() as u64,
            open: course.open.into_iter().take(OPEN_SHOWN).collect(),
            failures: course.failures,
            fired: course.fired,
            skipped: course.skipped,
            missed: course.missed,
            last: course.last,
            paused: course.paused.as_ref().map(Stopped::from),
        })
    }
}

impl Desk<'_> {
    /// What time has brought to the tenant's schedules.
    pub fn look_at_schedules(&mut self) {
        let now = self.at.now;
        if self.tenant.index.timetables.watched.is_some_and(|watched| watched > now) {
            // Another entry of the wheel took its place.
            return;
        }
        let is_due = |(_, read): &(&String, &Read)| read.look_at.is_some_and(|at| at <= now);
        let due: Vec<_> =
            self.tenant.index.timetables.all.iter().filter(is_due).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.look_at_schedule(&name);
        }
        self.tenant.index.timetables.watched = None;
        self.tenant.watch_schedules(now, self.wheel);
    }

    /// Decides what is due of one, and says when to look again.
    fn look_at_schedule(&mut self, name: &str) {
        let Some(doc) = self.tenant.schedule(name).cloned() else { return };
        let now = self.at.now;
        self.pause_itself(&doc);
        let (due, more) = self.tenant.due(&doc, now);
        let (mut skips, mut comes_at) = (None, Timestamp::ZERO);
        for (place, at) in due.iter().enumerate() {
            let last = place + 1 == due.len() && !more;
            // Instants come in order: one waits for the jitter of those before it, and is not late by that.
            comes_at = comes_at.max(at.plus_ms(doc.jitter_of(*at)));
            match self.not_kept(&doc, comes_at, last) {
                Some(cause) => self.skip_instant(&doc, &mut skips, *at, cause, None),
                None => self.come(&doc, *at, &mut skips),
            }
        }
        self.note_skips(&doc, &mut skips);
        self.take_waiting(&doc);
        let paused = self.tenant.schedules.get(name).is_some_and(|course| course.paused.is_some());
        let next = self.tenant.next_due(&doc).map(|at| if paused { at.max(now.plus_ms(PAUSED_LOOK_MS)) } else { at });
        if let Some(read) = self.tenant.index.timetables.all.get_mut(name) {
            read.look_at = if more { Some(now) } else { next };
        }
    }

    /// Too many of its jobs failed in a row.
    fn pause_itself(&mut self, doc: &Schedule) {
        let Some(course) = self.tenant.schedules.get(&doc.name) else { return };
        let failures = course.failures;
        if course.paused.is_none() && doc.failures_max.is_some_and(|most| failures >= most) {
            let (by, schedule) = (format!("schedule {}", doc.name), doc.name.clone());
            let reason = Some(format!("{failures} of its jobs failed in a row"));
            self.emit(Fact::SchedulePaused { by, reason, schedule });
        }
    }

    /// Why an instant that was to come at this moment does not; `None`: it comes.
    fn not_kept(&self, doc: &Schedule, comes_at: Timestamp, last: bool) -> Option<SkipCause> {
        let late = self.at.now.ms_since(comes_at);
        if self.tenant.schedules.get(&doc.name)?.paused.is_some() && !mutant::on(Mutant::PausedFires) {
            return Some(SkipCause::Paused);
        }
        if late <= limits::LATE_MS {
            return None;
        }
        let left_out = match doc.misfire {
            Misfire::FireAll => false,
            Misfire::FireLast => !last,
            Misfire::Skip => true,
        };
        if late > doc.catch_up_ms { Some(SkipCause::CatchUp) } else { left_out.then_some(SkipCause::Misfire) }
    }

    /// An instant comes: it has its job, or waits for open ones, or is skipped because of them.
    fn come(&mut self, doc: &Schedule, at: Timestamp, skips: &mut Option<Skips>) {
        let Some(course) = self.tenant.schedules.get(&doc.name) else { return };
        let (open, waiting) = (course.open.len(), course.waiting.len());
        let most = usize::try_from(limits::BUFFERED_MAX).unwrap_or(usize::MAX);
        let allow = doc.overlap == Overlap::Allow || mutant::on(Mutant::OverlapIgnored);
        match doc.overlap {
            _ if allow || open + waiting == 0 => self.fire(doc, at, skips),
            Overlap::BufferOne if waiting == 0 => self.buffer(doc, at, skips),
            Overlap::BufferAll if waiting < most => self.buffer(doc, at, skips),
            Overlap::BufferAll => self.skip_instant(doc, skips, at, SkipCause::BufferFull, None),
            Overlap::CancelRunning => {
                self.note_skips(doc, skips);
                self.end_open(doc);
                for before in self.tenant.schedules[&doc.name].waiting.clone() {
                    self.skip_instant(doc, skips, before, SkipCause::Superseded, None);
                    self.note_skips(doc, skips);
                }
                let ended = self.tenant.schedules[&doc.name].open.is_empty();
                if ended { self.fire(doc, at, skips) } else { self.buffer(doc, at, skips) }
            }
            _ => self.skip_instant(doc, skips, at, SkipCause::Overlap, None),
        }
    }

    fn buffer(&mut self, doc: &Schedule, at: Timestamp, skips: &mut Option<Skips>) {
        self.note_skips(doc, skips);
        self.emit(Fact::ScheduleBuffered { nominal_at: at, schedule: doc.name.clone() });
    }

    /// Asks the open jobs of a schedule to end.
    fn end_open(&mut self, doc: &Schedule) {
        for asked in self.tenant.schedules[&doc.name].open.clone() {
            let reason = Some("its next nominal instant came".to_owned());
            let actor = Actor { by: format!("schedule {}", doc.name), reason };
            match asked {
                Asked::Job(job) => drop(self.cancel(job, actor)),
                Asked::Run(run) => self.cancel_open_run(run, actor),
            }
        }
    }

    /// The instants that wait, as far as open jobs let them come.
    fn take_waiting(&mut self, doc: &Schedule) {
        while let Some(course) = self.tenant.schedules.get(&doc.name)
            && course.open.is_empty()
            && let Some(at) = course.waiting.front().copied()
        {
            let mut skips = None;
            if course.paused.is_some() && !mutant::on(Mutant::PausedFires) {
                self.skip_instant(doc, &mut skips, at, SkipCause::Paused, None);
            } else {
                self.fire(doc, at, &mut skips);
            }
            self.note_skips(doc, &mut skips);
        }
    }

    /// Accepts the job, or begins the run, of an instant; or skips it with the refusal's code.
    fn fire(&mut self, doc: &Schedule, at: Timestamp, skips: &mut Option<Skips>) {
        self.note_skips(doc, skips);
        let asked = self.takes_new().and_then(|()| match (&doc.job, &doc.run) {
            (Some(job), _) => self.fire_job(doc, job, at),
            (None, Some(run)) => self.fire_run(doc, run, at),
            (None, None) => Err(Refusal::new(Code::InvalidField, "the schedule asks for nothing")),
        });
        match asked {
            Ok(asked) => self.firing_row(doc, (at, at), 1, Some(asked), None),
            Err(refusal) => self.skip_instant(doc, skips, at, SkipCause::Refused, Some(&refusal)),
        }
    }

    fn fire_job(&mut self, doc: &Schedule, job: &ScheduledJob, at: Timestamp) -> Result<Asked, Refusal> {
        let jobs = vec![self.job_of(doc, job, at)?];
        let id = jobs[0].id;
        self.check_backlog(&jobs)?;
        self.try_enqueue(jobs, None, "job")?;
        Ok(Asked::Job(id))
    }

    fn fire_run(&mut self, doc: &Schedule, run: &ScheduledRun, at: Timestamp) -> Result<Asked, Refusal> {
        let spec = RunSpec {
            firing: Some(firing_of(doc, at)),
            inputs: run.inputs.clone(),
            labels: run.labels.clone(),
            project: run.project.clone(),
            trigger: RunTrigger::Schedule,
            ..RunSpec::default()
        };
        let id = RunId::v7(self.at.now, self.chance_of(doc, at));
        let graph = WhichGraph::Declared(run.graph.clone());
        let (run, _) = self.try_start_run(NewRun { run: id, graph, spec }, None)?;
        Ok(Asked::Run(run))
    }

    /// What the ids of an instant are made of.
    fn chance_of(&self, doc: &Schedule, at: Timestamp) -> u128 {
        self.chance(format_args!("{}@{}", doc.name, at.millis()))
    }

    fn job_of(&self, doc: &Schedule, job: &ScheduledJob, at: Timestamp) -> Result<NewJob, Refusal> {
        let now = self.at.now;
        let Some(job_type) = self.tenant.job_type(&job.job_type) else {
            let detail = format!("there is no job type `{}`", job.job_type);
            return Err(Refusal::field(Code::UnknownJobType, "job.job_type", detail));
        };
        Ok(NewJob {
            id: JobId::v7(now, self.chance_of(doc, at)),
            id_given: false,
            key: None,
            lane: job.lane(job_type, DEFAULT_PROJECT),
            payload: job.payload.clone().into(),
            payload_sha256: sha256_hex(job.payload.as_bytes()),
            misfit: None,
            labels: job.labels.clone(),
            not_before: None,
            deadline: job.deadline_ms.map(|ms| now.plus_ms(ms)),
            depends_on: Vec::new(),
            correlation_id: None,
            origin: None,
            firing: Some(firing_of(doc, at)),
            part: None,
            window: None,
        })
    }

    /// Instants on end with one reason are one fact.
    fn skip_instant(
        &mut self,
        doc: &Schedule,
        skips: &mut Option<Skips>,
        at: Timestamp,
        cause: SkipCause,
        refusal: Option<&Refusal>,
    ) {
        let refusal = refusal.map(|refusal| refusal.code.as_str().to_owned());
        if let Some(run) = skips.as_mut().filter(|run| run.cause == cause && run.refusal == refusal) {
            (run.last, run.count) = (at, run.count + 1);
            return;
        }
        self.note_skips(doc, skips);
        *skips = Some(Skips { cause, first: at, last: at, count: 1, refusal });
    }

    fn note_skips(&mut self, doc: &Schedule, skips: &mut Option<Skips>) {
        let Some(Skips { cause, first, last, count, refusal }) = skips.take() else { return };
        if mutant::on(Mutant::SkipsNotNoted) {
            let course = self.tenant.schedules.get_mut(&doc.name);
            course.expect("a schedule that is looked at has a course").decided = last;
            return;
        }
        self.firing_row(doc, (first, last), count, None, Some(cause));
        let schedule = doc.name.clone();
        self.emit(Fact::ScheduleSkipped { cause, count, first_at: first, last_at: last, refusal, schedule });
    }

    fn firing_row(
        &mut self,
        doc: &Schedule,
        (first, last): (Timestamp, Timestamp),
        count: u64,
        asked: Option<Asked>,
        cause: Option<SkipCause>,
    ) {
        self.out.rows.firings.push(FiringRow {
            tenant: self.tenant.no,
            schedule: doc.name.clone(),
            nominal_at: first,
            last_at: last,
            count,
            at: self.at.now,
            job: asked.and_then(Asked::job),
            run: asked.and_then(Asked::run),
            cause: cause.map(|cause| cause.as_str().to_owned()),
        });
    }

    /// What a schedule needs is there, and there is room for it.
    pub fn schedule_fits(&self, doc: &ConfigDoc) -> Result<(), Refusal> {
        let ConfigDoc::Schedule(doc) = doc else { return Ok(()) };
        Timetable::declare(doc, self.at.now)?;
        if let Some(job) = &doc.job {
            let project = job.project.as_deref().unwrap_or(DEFAULT_PROJECT);
            let named = self.check_names(&job.job_type, job.source.as_deref(), project);
            named.map_err(|refusal| refusal.under("job"))?;
        }
        if let Some(run) = &doc.run {
            let Some((graph, _)) = self.tenant.graph(&run.graph) else {
                let detail = format!("there is no graph `{}`", run.graph);
                return Err(Refusal::field(Code::InvalidField, "run.graph", detail));
            };
            self.run_fits(graph, &run.inputs).map_err(|refusal| refusal.under("run"))?;
            self.check_project(run.project.as_deref().unwrap_or(DEFAULT_PROJECT)).map_err(|of| of.under("run"))?;
        }
        let declared = of_kind(&self.tenant.configs, ConfigKind::Schedule).count() as u64;
        if self.tenant.schedule(&doc.name).is_none() && declared >= limits::SCHEDULES_MAX {
            let detail = format!("the tenant has {declared} schedules, the most that are allowed");
            return Err(Refusal::new(Code::LimitExceeded, detail));
        }
        Ok(())
    }

    /// Another version, or none, takes a schedule's place: what was due comes; what lay before now and was not due yet is
    /// skipped, and so is all that waits when none does.
    pub fn close_schedule(&mut self, name: &str, by: Option<&ConfigDoc>) {
        let Some(doc) = self.tenant.schedule(name).cloned() else { return };
        self.look_at_schedule(name);
        let by = by.and_then(|by| if let ConfigDoc::Schedule(by) = by { Some(by) } else { None });
        if by.is_some_and(|by| same_times(&doc, by)) {
            return;
        }
        let mut skips = None;
        let waiting = by.is_none().then(|| self.tenant.schedules.get(name).map(|course| course.waiting.clone()));
        for at in waiting.flatten().into_iter().flatten() {
            self.skip_instant(&doc, &mut skips, at, SkipCause::Replaced, None);
            self.note_skips(&doc, &mut skips);
        }
        let no_jitter = Schedule { jitter_ms: 0, ..doc.clone() };
        loop {
            let (due, more) = self.tenant.due(&no_jitter, self.at.now);
            for at in due {
                self.skip_instant(&doc, &mut skips, at, SkipCause::Replaced, None);
            }
            self.note_skips(&doc, &mut skips);
            if !more {
                break;
            }
        }
    }

    /// The command `PauseSchedule`. Pausing what is paused, or resuming what is not, changes nothing.
    pub fn pause_schedule(&mut self, schedule: String, pause: bool, actor: Actor) -> Answer {
        let Some(course) = self.tenant.schedules.get(&schedule) else {
            return Answer::Refused(Refusal::new(Code::NotFound, "there is no schedule of this name"));
        };
        if course.paused.is_some() != pause {
            // Until now it was, or was not.
            self.look_at_schedule(&schedule);
            let Actor { by, reason } = actor;
            self.emit(if pause {
                Fact::SchedulePaused { by, reason, schedule }
            } else {
                Fact::ScheduleResumed { by, reason, schedule }
            });
        }
        Answer::Done
    }
}

/// Which firing of which schedule this is.
fn firing_of(doc: &Schedule, at: Timestamp) -> Firing {
    Firing { nominal_at: at, schedule: doc.name.clone(), zones: zones::version().to_owned() }
}

/// Both come at the same moments.
fn same_times(one: &Schedule, other: &Schedule) -> bool {
    let of = |doc: &Schedule| (doc.timetable.clone(), doc.starts_at, doc.ends_at, doc.jitter_ms);
    of(one) == of(other)
}

/// Checks a schedule that is to be declared now, but for what it names.
///
/// # Errors
/// A refusal that names the field that makes no sense, and a timetable that never comes.
pub fn check(doc: &Schedule, now: Timestamp) -> Result<(), Refusal> {
    Timetable::declare(doc, now).map(drop)
}

/// The next nominal instants of a schedule after a moment.
///
/// # Errors
/// The timetable cannot be read here.
pub fn next(doc: &Schedule, after: Timestamp, count: usize) -> Result<Vec<Instant>, Refusal> {
    Ok(Timetable::read(doc)?.next(after, count))
}

#[cfg(test)]
mod tests;
