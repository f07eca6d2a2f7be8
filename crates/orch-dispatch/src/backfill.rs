//! Backfills of a tenant: which windows are open, what is read already, and what comes next.
//!
//! Windows are a rolling set: at most `parallelism` of them are open, and those ahead are a number. What was read is kept
//! as stretches of event time by source and axis, from the ends of windows; together with watermarks they say what a
//! backfill may leave out. Like runs, a backfill is driven after each command (`drive_backfills`), from state that its
//! facts alone made.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::backfill::{BackfillCourse, BackfillSpec, Reprocess, Stretches, WINDOW, WindowOf};
use orch_core::fact::{Fact, Record};
use orch_core::ids::{BackfillId, JobId, RunId};
use orch_core::job::{JobState, LaneKey, Priority, sha256_hex};
use orch_core::limits;
use orch_core::port::{BackfillEndRow, BackfillRow};
use orch_core::refusal::{Code, Refusal};
use orch_core::run::{Counts, End, RunOutcome, RunSpec, RunTrigger};
use orch_core::schedule::{Asked, ScheduledJob, ScheduledRun};
use orch_core::time::Timestamp;
use orch_core::watermark::{Axis, Range, Watermark};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{Answer, OpenBackfillFound, RunState, Stopped};
use crate::command::{Actor, KeyUse, NewJob, NewRun, WhichGraph};
use crate::decide::Desk;
use crate::enqueue::DEFAULT_PROJECT;
use crate::json_text;
use crate::mutant::{self, Mutant};
use crate::tenant::{Pause, Tenant};
use crate::wheel::{Watched, Wheel};

/// Windows that are looked at in one command: those that were read already cost little, and a range may have many.
const LOOKED_AT_ONCE: u32 = 10_000;
/// What found no room is tried again after so many milliseconds.
const NO_ROOM_MS: u64 = 1_000;
/// Windows that did not succeed and are named of one.
const FAILED_SHOWN: usize = 10_000;

/// An open backfill.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OpenBackfill {
    #[serde(with = "json_text")]
    pub spec: BackfillSpec,
    pub at: Timestamp,
    /// Windows up to this place, in its order, have begun or were left out.
    pub next: u32,
    /// Open windows, by number.
    pub open: BTreeMap<u32, Asked>,
    pub counts: Counts,
    pub failed: BTreeSet<u32>,
    /// Windows in a row that failed.
    pub failures: u32,
    pub paused: Option<Pause>,
    pub canceled: Option<Pause>,
}

/// What backfills read of a source, and what they could not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ReadOf {
    pub done: Stretches,
    pub failed: Stretches,
}

/// What backfills read, by source and axis.
pub(crate) type AllRead = BTreeMap<(String, Axis), ReadOf>;

/// What is rebuilt of backfills, and never saved.
#[derive(Debug, Default)]
pub(crate) struct BackfillIndex {
    /// Backfills to look at.
    stirred: BTreeSet<BackfillId>,
    /// Which window each open job and run is of.
    of_asked: BTreeMap<Asked, (BackfillId, u32)>,
    /// Windows that were read just now, of which watermarks are not told yet.
    read: Vec<WindowOf>,
}

/// What is known of a source when a backfill asks which of its windows were read.
pub(crate) struct KnownOf<'a> {
    reprocess: Reprocess,
    read: Option<&'a ReadOf>,
    watermark: Option<&'a Watermark>,
}

impl KnownOf<'_> {
    /// A window has been read, or could not be, so that the backfill leaves it out.
    pub fn leaves_out(&self, window: Range) -> bool {
        let done = || self.read.is_some_and(|read| read.done.cover(window)) || self.watermark_covers(window);
        match self.reprocess {
            Reprocess::All => false,
            Reprocess::MissingAndFailed => done(),
            Reprocess::Missing => done() || self.failed(window),
        }
    }

    /// A backfill could not read something of it.
    pub fn failed(&self, window: Range) -> bool {
        self.read.is_some_and(|read| read.failed.touch(window))
    }

    fn watermark_covers(&self, window: Range) -> bool {
        let Some(watermark) = self.watermark else { return false };
        let (Some(low), Some(high)) = (watermark.low, watermark.high) else { return false };
        let left_out = watermark.holes.iter().chain(&watermark.repairs).any(|hole| hole.within(window).is_some());
        Range { from: low, to: high }.covers(window) && !left_out
    }
}

impl Tenant {
    /// A fact of a backfill.
    pub fn backfill_fact(&mut self, record: &Record) {
        let at = record.at;
        let stop = |by: &String, reason: &Option<String>| Pause { by: by.clone(), reason: reason.clone(), at };
        match &record.body {
            Fact::BackfillCreated { backfill, spec } => {
                let open = OpenBackfill {
                    spec: (**spec).clone(),
                    at,
                    next: 0,
                    open: BTreeMap::new(),
                    counts: Counts::default(),
                    failed: BTreeSet::new(),
                    failures: 0,
                    paused: None,
                    canceled: None,
                };
                self.backfills.insert(*backfill, open);
                self.index.backfills.stirred.insert(*backfill);
            }
            Fact::BackfillSkipped { backfill, count, place } => {
                let Some(open) = self.backfills.get_mut(backfill) else { return };
                open.next = place + count;
                open.counts.skipped += count;
                open.counts.total += count;
            }
            Fact::BackfillPaused { backfill, by, reason } => {
                let pause = stop(by, reason);
                self.backfills.entry(*backfill).and_modify(|open| open.paused = Some(pause));
            }
            Fact::BackfillResumed { backfill, .. } => {
                self.backfills.entry(*backfill).and_modify(|open| (open.paused, open.failures) = (None, 0));
                self.index.backfills.stirred.insert(*backfill);
            }
            Fact::BackfillCancelRequested { backfill, by, reason } => {
                let cancel = stop(by, reason);
                self.backfills.entry(*backfill).and_modify(|open| open.canceled = Some(cancel));
                self.index.backfills.stirred.insert(*backfill);
            }
            Fact::BackfillFinished { backfill, .. } => {
                self.backfills.remove(backfill);
                self.index.backfills.stirred.remove(backfill);
            }
            _ => {}
        }
    }

    /// The job or the run of a window was accepted.
    pub fn window_began(&mut self, window: &WindowOf, asked: Asked) {
        let Some(open) = self.backfills.get_mut(&window.backfill) else { return };
        open.next += 1;
        open.open.insert(window.number, asked);
        self.index.backfills.of_asked.insert(asked, (window.backfill, window.number));
    }

    /// It ended.
    pub fn window_ended(&mut self, asked: Asked, state: JobState) {
        let Some((backfill, number)) = self.index.backfills.of_asked.remove(&asked) else { return };
        let Some(open) = self.backfills.get_mut(&backfill) else { return };
        open.open.remove(&number);
        let (range, key) = (open.spec.window(number), (open.spec.source.clone(), open.spec.axis));
        let end = match state {
            JobState::Succeeded => End::Succeeded,
            JobState::Failed => End::Failed,
            _ => End::Canceled,
        };
        open.counts.count(end);
        open.failures = if end == End::Failed { open.failures + 1 } else { 0 };
        if end != End::Succeeded {
            open.failed.insert(number);
        }
        let most = usize::try_from(limits::BACKFILL_STRETCHES_MAX).unwrap_or(usize::MAX);
        let read = self.all_read.entry(key).or_default();
        match end {
            End::Succeeded if mutant::on(Mutant::WindowNotNoted) => {}
            End::Succeeded => {
                read.done.add(range, most);
                read.failed.remove(range);
                let Range { from, to } = range;
                self.index.backfills.read.push(WindowOf { backfill, from, number, to });
            }
            End::Failed => read.failed.add(range, most),
            End::Canceled | End::Skipped(_) => {}
        }
        self.index.backfills.stirred.insert(backfill);
    }

    /// Makes the index anew.
    pub fn index_backfills(&mut self) {
        let windows = |(id, open): (&BackfillId, &OpenBackfill)| {
            open.open.iter().map(|(number, asked)| (*asked, (*id, *number))).collect::<Vec<_>>()
        };
        self.index.backfills.of_asked = self.backfills.iter().flat_map(windows).collect();
        self.index.backfills.stirred = self.backfills.keys().copied().collect();
    }

    /// Has the timer wheel look at backfills.
    pub fn watch_backfills_anew(&mut self, now: Timestamp, wheel: &mut Wheel) {
        // What was read before was told in the same commit.
        self.index.backfills.read.clear();
        if !self.index.backfills.stirred.is_empty() {
            wheel.put(now, self.no, Watched::Runs);
        }
    }

    /// Has all backfills looked at.
    pub fn stir_backfills(&mut self) {
        self.index.backfills.stirred = self.backfills.keys().copied().collect();
    }

    /// What is known of the windows of a backfill.
    pub fn known_of(&self, spec: &BackfillSpec) -> KnownOf<'_> {
        let read = self.all_read.get(&(spec.source.clone(), spec.axis));
        KnownOf { reprocess: spec.reprocess, read, watermark: self.watermark_of(&spec.source, spec.axis) }
    }

    /// An open backfill as it stands.
    pub fn backfill_found(&self, id: BackfillId) -> Option<OpenBackfillFound> {
        let open = self.backfills.get(&id)?;
        let window = |(number, asked): (&u32, &Asked)| (*number, open.spec.window(*number), *asked);
        Some(OpenBackfillFound {
            state: RunState::of(open.canceled.as_ref(), open.paused.as_ref()),
            windows: open.spec.places(),
            next: open.next,
            counts: open.counts,
            open: open.open.iter().map(window).collect(),
            open_count: u32::try_from(open.open.len()).unwrap_or(u32::MAX),
            failed: open.failed.iter().copied().take(FAILED_SHOWN).collect(),
            paused: open.paused.as_ref().map(Stopped::from),
            canceled: open.canceled.as_ref().map(Stopped::from),
        })
    }
}

impl Desk<'_> {
    /// Goes on with backfills of which something ended, or that may go on again.
    pub fn drive_backfills(&mut self) {
        for window in std::mem::take(&mut self.tenant.index.backfills.read) {
            self.heal_watermark(window);
        }
        while let Some(id) = self.tenant.index.backfills.stirred.pop_first() {
            self.drive_backfill(id);
        }
    }

    /// What a window read is left out of its source's watermark no more.
    fn heal_watermark(&mut self, window: WindowOf) {
        let Some(open) = self.tenant.backfills.get(&window.backfill) else { return };
        let (source, axis) = (open.spec.source.clone(), open.spec.axis);
        let Some((before, version)) = self.tenant.watermark_and_version(&source, axis) else { return };
        let without = |ranges: &[Range]| {
            let mut left = Stretches::of(ranges);
            left.remove(window.range());
            left.all().to_vec()
        };
        let low = before.low.map(|low| if window.to >= low { low.min(window.from) } else { low });
        let (holes, repairs) = (without(&before.holes), without(&before.repairs));
        if (&holes, &repairs, low) == (&before.holes, &before.repairs, before.low) {
            return;
        }
        self.emit(Fact::WatermarkSet {
            axis,
            by: format!("backfill {}", window.backfill),
            high: before.high,
            holes,
            lateness_ms: before.lateness_ms,
            low,
            reason: None,
            repairs,
            source,
            version: version + 1,
        });
    }

    fn drive_backfill(&mut self, id: BackfillId) {
        let mut looked = 0;
        loop {
            let Some(open) = self.tenant.backfills.get(&id) else { return };
            if let Some(Pause { by, reason, .. }) = open.canceled.clone() {
                self.stop_windows(id, Actor { by, reason });
                return self.finish_backfill(id);
            }
            if open.next >= open.spec.places() {
                return self.finish_backfill(id);
            }
            if self.pause_failing(id) {
                return;
            }
            let open = &self.tenant.backfills[&id];
            let held = open.paused.is_some() && !mutant::on(Mutant::PausedBackfillGoesOn);
            let room = open.open.len() < open.spec.parallelism as usize || mutant::on(Mutant::WindowsWithoutBound);
            if held || !room || self.tenant.erase_at.is_some() {
                return;
            }
            let skip = self.read_from(id, LOOKED_AT_ONCE - looked);
            if skip > 0 {
                let place = self.tenant.backfills[&id].next;
                self.emit(Fact::BackfillSkipped { backfill: id, count: skip, place });
                looked += skip;
            }
            if looked >= LOOKED_AT_ONCE {
                self.look_again(id, self.at.now);
                return;
            }
            if skip > 0 {
                continue;
            }
            if let Err(refusal) = self.begin_window(id) {
                if refusal.code == Code::BacklogFull {
                    return self.look_again(id, self.at.now.plus_ms(NO_ROOM_MS));
                }
                let reason = Some(format!("{}: {}", refusal.code.as_str(), refusal.detail));
                self.emit(Fact::BackfillPaused { backfill: id, by: format!("backfill {id}"), reason });
                return;
            }
            looked += 1;
        }
    }

    fn look_again(&mut self, id: BackfillId, at: Timestamp) {
        self.wheel.put(at, self.tenant.no, Watched::Backfill(id));
    }

    /// A moment of a backfill came.
    pub fn look_at_backfill(&mut self, id: BackfillId) {
        if self.tenant.backfills.contains_key(&id) {
            self.tenant.index.backfills.stirred.insert(id);
        }
    }

    /// How many of the next windows, on end, were read already.
    fn read_from(&self, id: BackfillId, most: u32) -> u32 {
        let open = &self.tenant.backfills[&id];
        let (spec, places) = (&open.spec, open.spec.places());
        let known = self.tenant.known_of(spec);
        let read = |place: &u32| known.leaves_out(spec.window(spec.number_at(*place)));
        let count = (open.next..places).take(most as usize).take_while(read).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Too many windows failed in a row. True: it is held.
    fn pause_failing(&mut self, id: BackfillId) -> bool {
        let open = &self.tenant.backfills[&id];
        let failing = open.paused.is_none() && u64::from(open.failures) >= limits::BACKFILL_FAILURES_MAX;
        if failing {
            let reason = Some(format!("{} of its windows failed in a row", open.failures));
            self.emit(Fact::BackfillPaused { backfill: id, by: format!("backfill {id}"), reason });
        }
        failing
    }

    /// Asks open windows to stop. Whoever was asked before is not asked again.
    fn stop_windows(&mut self, id: BackfillId, actor: Actor) {
        for asked in self.tenant.backfills[&id].open.values().copied().collect::<Vec<_>>() {
            match asked {
                _ if mutant::on(Mutant::CanceledBackfillGoesOn) => {}
                Asked::Job(job) => drop(self.cancel(job, actor.clone())),
                Asked::Run(run) => self.cancel_open_run(run, actor.clone()),
            }
        }
    }

    fn finish_backfill(&mut self, id: BackfillId) {
        let open = &self.tenant.backfills[&id];
        if !open.open.is_empty() {
            return;
        }
        let mut counts = open.counts;
        let left = open.spec.places() - open.next;
        (counts.canceled, counts.total) = (counts.canceled + left, counts.total + left);
        let outcome = match counts {
            _ if open.canceled.is_some() => RunOutcome::Canceled,
            Counts { failed: 1.., .. } => RunOutcome::Failed,
            Counts { canceled: 1.., .. } => RunOutcome::Canceled,
            _ => RunOutcome::Succeeded,
        };
        let never = (open.next..open.spec.places()).map(|place| open.spec.number_at(place));
        let failed: BTreeSet<u32> = open.failed.iter().copied().chain(never).collect();
        let course = BackfillCourse { counts, failed: failed.into_iter().collect() };
        self.out.rows.backfill_ends.push(BackfillEndRow {
            tenant: self.tenant.no,
            id,
            at: self.at.now,
            outcome,
            course,
        });
        self.emit(Fact::BackfillFinished { backfill: id, counts, outcome });
    }

    /// Asks for the next window.
    fn begin_window(&mut self, id: BackfillId) -> Result<(), Refusal> {
        let open = &self.tenant.backfills[&id];
        let number = open.spec.number_at(open.next);
        let Range { from, to } = open.spec.window(number);
        let window = WindowOf { backfill: id, from, number, to };
        match (open.spec.job.clone(), open.spec.run.clone()) {
            (Some(job), _) => {
                let jobs = vec![self.job_of_window(&job, window)?];
                self.check_backlog(&jobs)?;
                self.try_enqueue(jobs, None, "job").map(drop)
            }
            (None, Some(run)) => {
                let new = self.run_of_window(&run, window);
                self.try_start_run(new, None).map(drop)
            }
            (None, None) => Err(Refusal::new(Code::InvalidField, "the backfill asks for nothing")),
        }
    }

    /// What the ids of a window are made of.
    fn chance_of_window(&self, window: &WindowOf) -> u128 {
        self.chance(format_args!("{}/{}", window.backfill, window.number))
    }

    fn job_of_window(&self, job: &ScheduledJob, window: WindowOf) -> Result<NewJob, Refusal> {
        let spec = &self.tenant.backfills[&window.backfill].spec;
        let Some(job_type) = self.tenant.job_type(&job.job_type) else {
            let detail = format!("there is no job type `{}`", job.job_type);
            return Err(Refusal::field(Code::UnknownJobType, "job.job_type", detail));
        };
        let payload = with_window(&job.payload, &window);
        let of = ScheduledJob { payload: payload.clone(), ..job.clone() };
        let lane = LaneKey {
            priority: Priority::Backfill,
            source: Some(spec.source.clone()),
            ..of.lane(job_type, DEFAULT_PROJECT)
        };
        let now = self.at.now;
        Ok(NewJob {
            id: JobId::v7(now, self.chance_of_window(&window)),
            id_given: false,
            key: None,
            lane,
            payload_sha256: sha256_hex(payload.as_bytes()),
            payload: payload.into(),
            misfit: None,
            labels: job.labels.clone(),
            not_before: None,
            deadline: job.deadline_ms.map(|ms| now.plus_ms(ms)),
            depends_on: Vec::new(),
            correlation_id: None,
            origin: None,
            firing: None,
            part: None,
            window: Some(window),
        })
    }

    fn run_of_window(&self, run: &ScheduledRun, window: WindowOf) -> NewRun {
        let spec = RunSpec {
            inputs: with_window(&run.inputs, &window),
            labels: run.labels.clone(),
            project: run.project.clone(),
            trigger: RunTrigger::Backfill,
            window: Some(window),
            ..RunSpec::default()
        };
        let id = RunId::v7(self.at.now, self.chance_of_window(&window));
        NewRun { run: id, graph: WhichGraph::Declared(run.graph.clone()), spec }
    }

    /// The command `CreateBackfill`.
    pub fn create_backfill(&mut self, id: BackfillId, spec: BackfillSpec, key: Option<KeyUse>) -> Answer {
        match self.try_create_backfill(id, spec, key) {
            Ok((backfill, replayed)) => Answer::Backfill { backfill, replayed },
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    fn try_create_backfill(
        &mut self,
        id: BackfillId,
        spec: BackfillSpec,
        key: Option<KeyUse>,
    ) -> Result<(BackfillId, bool), Refusal> {
        if let Some(id) = self.key_replay(key, "Idempotency-Key")?.and_then(|ids| ids.first().copied()) {
            return Ok((BackfillId(id.0), true));
        }
        self.backfill_fits(&spec)?;
        let seq = self.emit(Fact::BackfillCreated { backfill: id, spec: Box::new(spec.clone()) });
        let (tenant, at) = (self.tenant.no, self.at.now);
        self.out.rows.backfills.push(BackfillRow { tenant, id, seq, at, spec });
        self.key_use(key, &[JobId(id.0)]);
        Ok((id, false))
    }

    /// What a backfill needs is there, nobody else reads the same, and there is room for it.
    pub fn backfill_fits(&self, spec: &BackfillSpec) -> Result<(), Refusal> {
        spec.check()?;
        if spec.to > self.at.now {
            let detail = "`to` lies ahead: what is not over yet cannot be read again";
            return Err(Refusal::field(Code::TimeOutOfRange, "to", detail));
        }
        if self.tenant.source(&spec.source).is_none() {
            let detail = format!("there is no source `{}`", spec.source);
            return Err(Refusal::field(Code::UnknownSource, "source", detail));
        }
        if let Some(job) = &spec.job {
            let project = job.project.as_deref().unwrap_or(DEFAULT_PROJECT);
            self.check_names(&job.job_type, Some(&spec.source), project).map_err(|of| of.under("job"))?;
        }
        if let Some(run) = &spec.run {
            let Some((graph, _)) = self.tenant.graph(&run.graph) else {
                let detail = format!("there is no graph `{}`", run.graph);
                return Err(Refusal::field(Code::InvalidField, "run.graph", detail));
            };
            self.check_project(run.project.as_deref().unwrap_or(DEFAULT_PROJECT)).map_err(|of| of.under("run"))?;
            let nothing = BackfillId(uuid::Uuid::nil());
            let window = WindowOf { backfill: nothing, from: spec.from, number: 0, to: spec.to };
            self.run_fits(graph, &with_window(&run.inputs, &window)).map_err(|refusal| refusal.under("run"))?;
        }
        let same = |open: &OpenBackfill| open.spec.source == spec.source && open.spec.axis == spec.axis;
        let other = self.tenant.backfills.iter().find(|(_, open)| {
            same(open) && open.spec.range().within(spec.range()).is_some() && !mutant::on(Mutant::BackfillsOverlap)
        });
        if let Some((other, open)) = other {
            let detail =
                format!("{other} reads {} of this source already: wait for its end, or cancel it", open.spec.range());
            return Err(Refusal::field(Code::StateConflict, "from", detail));
        }
        if self.tenant.backfills.len() as u64 >= limits::BACKFILLS_OPEN_MAX {
            let detail = format!("{} backfills are open, the most that may be", self.tenant.backfills.len());
            return Err(Refusal::new(Code::BacklogFull, detail));
        }
        Ok(())
    }

    /// The commands `PauseBackfill` and `CancelBackfill`. Asking for what is so already changes nothing.
    pub fn pause_backfill(&mut self, backfill: BackfillId, pause: bool, Actor { by, reason }: Actor) -> Answer {
        let Some(open) = self.tenant.backfills.get(&backfill) else { return no_backfill() };
        if open.paused.is_some() != pause {
            self.emit(if pause {
                Fact::BackfillPaused { backfill, by, reason }
            } else {
                Fact::BackfillResumed { backfill, by, reason }
            });
        }
        Answer::Done
    }

    /// See `pause_backfill`.
    pub fn cancel_backfill(&mut self, backfill: BackfillId, Actor { by, reason }: Actor) -> Answer {
        let Some(open) = self.tenant.backfills.get(&backfill) else { return no_backfill() };
        if open.canceled.is_none() {
            self.emit(Fact::BackfillCancelRequested { backfill, by, reason });
        }
        Answer::Done
    }
}

fn no_backfill() -> Answer {
    Answer::Refused(Refusal::new(Code::NotFound, "there is no open backfill of this id"))
}

/// A payload, or inputs, with the window as a member.
fn with_window(text: &str, window: &WindowOf) -> String {
    let mut members = match serde_json::from_str(text) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    members.insert(WINDOW.to_owned(), json!({"from": window.from.to_string(), "to": window.to.to_string()}));
    Value::Object(members).to_string()
}
