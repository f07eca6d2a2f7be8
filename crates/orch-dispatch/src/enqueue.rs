//! Accepting jobs: all of a call or none of it.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::backfill::BACKFILL_LABEL;
use orch_core::config::ConfigKind;
use orch_core::fact::{EndCause, Fact};
use orch_core::ids::{JobId, LaneNo};
use orch_core::job::{Dependency, DependsOn, JobError, JobState, LaneKey};
use orch_core::limits;
use orch_core::port::{JobExtra, JobRow, KeyRow};
use orch_core::refusal::{Code, Refusal};
use orch_core::run::RUN_LABEL;

use crate::answer::{Answer, Carried, Enqueued};
use crate::command::{KeyUse, NewJob};
use crate::decide::Desk;
use crate::lane::Entry;
use crate::mutant::{self, Mutant};
use crate::warm::WarmJob;

/// What `SUPERSEDED_PER_CALL_MAX` says, as a count.
const SUPERSEDED_OF_BEFORE: usize = limits::SUPERSEDED_PER_CALL_MAX as usize;

/// Name of the project that every tenant has without declaring it.
pub const DEFAULT_PROJECT: &str = "default";

/// What is known of a job by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Open.
    Open,
    /// Ended like this.
    Final(JobState),
    /// Not a job of this tenant.
    Unknown,
}

impl Desk<'_> {
    /// What is known of a job: memory first, then what was prepared.
    pub fn known(&self, id: JobId) -> Known {
        if mutant::on(Mutant::ParentFinishMissed)
            && let Some(found) = self.prepared.jobs.get(&id)
        {
            return found.done.as_ref().map_or(Known::Open, |done| Known::Final(done.state));
        }
        if self.tenant.jobs.contains_key(&id) {
            return Known::Open;
        }
        let warm = self.tenant.warm.job(id).map(|warm| warm.state);
        let state = warm.or_else(|| {
            let found = self.prepared.jobs.get(&id)?;
            Some(found.done.as_ref().map_or(JobState::Ready, |done| done.state))
        });
        match state {
            Some(state) if state.is_final() => Known::Final(state),
            Some(_) => Known::Open,
            None => Known::Unknown,
        }
    }

    /// The first answer to a key that was used before.
    pub fn key_replay(&self, used: Option<KeyUse>, field: &str) -> Result<Option<Vec<JobId>>, Refusal> {
        let Some(used) = used else { return Ok(None) };
        let warm = self.tenant.warm.key(used).map(|warm| (warm.fingerprint, warm.jobs.clone()));
        let stored = || self.prepared.keys.get(&used.key).map(|row| (row.fingerprint, row.jobs.clone()));
        let freed = |jobs: &[JobId]| mutant::on(Mutant::KeyFreedOnFailure) && self.tenant.warm.is_freed(jobs);
        match warm.or_else(stored).filter(|(_, jobs)| !freed(jobs)) {
            None => Ok(None),
            Some((fingerprint, jobs)) if fingerprint == used.fingerprint => Ok(Some(jobs)),
            Some(_) => Err(Refusal::field(
                Code::IdempotencyMismatch,
                field,
                "this idempotency key was used with another content",
            )),
        }
    }

    /// Writes a key with its first answer.
    pub fn key_use(&mut self, used: Option<KeyUse>, jobs: &[JobId]) {
        let Some(used) = used else { return };
        // The ledger holds a key once a day: freed, it can be used again and not be written again.
        if mutant::on(Mutant::KeyFreedOnFailure) && self.prepared.keys.contains_key(&used.key) {
            return;
        }
        self.tenant.warm.put_key(self.at.commit, used, jobs.to_vec());
        self.out.rows.keys.push(KeyRow {
            tenant: self.tenant.no,
            key: used.key,
            fingerprint: used.fingerprint,
            jobs: jobs.to_vec(),
            at: self.at.now,
        });
    }

    /// The command `Enqueue`.
    pub fn enqueue(&mut self, jobs: Vec<NewJob>, key: Option<KeyUse>) -> Answer {
        let room = if matches!(self.key_replay(key, ""), Ok(None)) { self.check_backlog(&jobs) } else { Ok(()) };
        match room.and_then(|()| self.try_enqueue(jobs, key, "jobs")) {
            Ok(enqueued) => Answer::Enqueued(enqueued),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// Accepts jobs, or says why not; in the latter case nothing is written.
    pub fn try_enqueue(
        &mut self,
        jobs: Vec<NewJob>,
        key: Option<KeyUse>,
        field: &str,
    ) -> Result<Vec<Enqueued>, Refusal> {
        if let Some(ids) = self.key_replay(key, "Idempotency-Key")? {
            return Ok(ids.into_iter().map(Enqueued::again).collect());
        }
        let plan = self.plan(&jobs, field)?;
        let mut answers: Vec<_> = plan.replays;
        let mut jobs: Vec<_> = jobs.into_iter().map(Some).collect();
        self.supersedes = SUPERSEDED_OF_BEFORE + jobs.len();
        let mut kept = false;
        for place in plan.order {
            let job = jobs[place].take().expect("the order names each place once");
            let concurrency_key = job.lane.concurrency_key.clone();
            answers[place] = Some(Enqueued { id: job.id, replayed: false, canceled: false, concurrency_key });
            kept |= self.enqueue_one(job);
        }
        let mut answers: Vec<_> = answers.into_iter().flatten().collect();
        if kept {
            // A job may have taken the place of another of its call.
            answers.iter_mut().for_each(|answer| answer.canceled = !answer.replayed && self.is_canceled(answer.id));
        }
        let ids: Vec<_> = answers.iter().map(|answer| answer.id).collect();
        self.key_use(key, &ids);
        Ok(answers)
    }

    /// Checks all jobs of a call and puts them in an order in which parents come first.
    fn plan(&self, jobs: &[NewJob], field: &str) -> Result<Plan, Refusal> {
        let mut replays = vec![None; jobs.len()];
        let mut keys: BTreeMap<[u8; 16], (usize, [u8; 16])> = BTreeMap::new();
        let mut ids: BTreeMap<JobId, usize> = BTreeMap::new();
        for (place, job) in jobs.iter().enumerate() {
            let path = format!("{field}[{place}]");
            let replay = self.key_replay(job.key, "idempotency_key").map_err(|r| r.under(&path))?;
            replays[place] = replay.and_then(|ids| ids.first().copied()).map(Enqueued::again);
            if replays[place].is_some() {
                continue;
            }
            if let Some(used) = job.key
                && let Some((first, fingerprint)) = keys.insert(used.key, (place, used.fingerprint))
            {
                let detail = if fingerprint == used.fingerprint {
                    format!("the same key stands at {field}[{first}] already")
                } else {
                    format!("the same key stands at {field}[{first}] with another content")
                };
                return Err(Refusal::field(Code::IdempotencyMismatch, format!("{path}.idempotency_key"), detail));
            }
            if ids.insert(job.id, place).is_some() || (job.id_given && self.known(job.id) != Known::Unknown) {
                return Err(Refusal::field(Code::IdConflict, format!("{path}.id"), "this id is taken"));
            }
            self.check_job(job).map_err(|refusal| refusal.under(&path))?;
        }
        self.check_room(ids.len() as u64)?;
        self.check_dependencies(jobs, &ids, field)?;
        let order = parents_first(jobs, &ids, field)?;
        Ok(Plan { replays, order })
    }

    /// What a job names is there.
    pub fn check_names(&self, job_type: &str, source: Option<&str>, project: &str) -> Result<(), Refusal> {
        if self.tenant.job_type(job_type).is_none() {
            let detail = format!("there is no job type `{job_type}`");
            return Err(Refusal::field(Code::UnknownJobType, "job_type", detail));
        }
        if let Some(source) = source.filter(|name| self.tenant.source(name).is_none()) {
            return Err(Refusal::field(Code::UnknownSource, "source", format!("there is no source `{source}`")));
        }
        self.check_project(project)
    }

    /// The project is there.
    pub fn check_project(&self, project: &str) -> Result<(), Refusal> {
        if project != DEFAULT_PROJECT && self.tenant.config(ConfigKind::Project, project).is_none() {
            return Err(Refusal::field(Code::UnknownProject, "project", format!("there is no project `{project}`")));
        }
        Ok(())
    }

    fn check_job(&self, job: &NewJob) -> Result<(), Refusal> {
        self.check_names(&job.lane.job_type, job.lane.source.as_deref(), &job.lane.project)?;
        if let Some(misfit) = &job.misfit {
            return Err(misfit.clone());
        }
        let horizon = self.at.now.plus_ms(limits::AHEAD_DAYS_MAX * 86_400_000);
        for (field, at) in [("not_before", job.not_before), ("deadline", job.deadline)] {
            if at.is_some_and(|at| at > horizon) {
                let detail = format!("`{field}` lies more than {} days ahead", limits::AHEAD_DAYS_MAX);
                return Err(Refusal::field(Code::TimeOutOfRange, field, detail));
            }
        }
        if job.deadline.is_some_and(|deadline| deadline <= self.at.now.max(job.not_before.unwrap_or_default())) {
            let detail = "`deadline` must lie ahead, and behind `not_before`";
            return Err(Refusal::field(Code::TimeOutOfRange, "deadline", detail));
        }
        Ok(())
    }

    fn check_room(&self, more: u64) -> Result<(), Refusal> {
        let held = self.tenant.jobs.len() as u64;
        if held + more > limits::HELD_JOBS_MAX {
            let detail = format!("{held} open jobs are held in memory; at most {} may be", limits::HELD_JOBS_MAX);
            return Err(Refusal::new(Code::BacklogFull, detail));
        }
        if self.tenant.lanes.len() as u64 >= limits::LANES_MAX {
            let detail = format!("the tenant has {} lanes, the most that are allowed", limits::LANES_MAX);
            return Err(Refusal::new(Code::BacklogFull, detail));
        }
        Ok(())
    }

    fn check_dependencies(&self, jobs: &[NewJob], ids: &BTreeMap<JobId, usize>, field: &str) -> Result<(), Refusal> {
        for place in ids.values() {
            for (n, dependency) in jobs[*place].depends_on.iter().enumerate() {
                // What is before a step has ended, or it would not begin; nobody has read it.
                let ended = jobs[*place].part.is_some();
                if !ended && !ids.contains_key(&dependency.job) && self.known(dependency.job) == Known::Unknown {
                    let path = format!("{field}[{place}].depends_on[{n}].job");
                    let detail = format!("there is no job {}", dependency.job);
                    return Err(Refusal::field(Code::UnknownDependency, path, detail));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn lane_for(&mut self, key: &LaneKey) -> LaneNo {
        if let Some(lane) = self.tenant.index.lane_by_key.get(key) {
            return *lane;
        }
        let lane = LaneNo(u32::try_from(self.tenant.lanes.len() + 1).expect("lanes are capped far below"));
        self.emit(Fact::LaneOpened { key: key.clone(), lane });
        lane
    }

    /// Accepts one job. True: the strategy of its key had its say.
    fn enqueue_one(&mut self, job: NewJob) -> bool {
        let lane = self.lane_for(&job.lane);
        let ended = job.part.is_some();
        let (open_parents, doomed) = if ended { (Vec::new(), false) } else { self.parents(&job.depends_on) };
        let state = match job.not_before {
            _ if doomed || !open_parents.is_empty() => JobState::Blocked,
            Some(at) if at > self.at.now => JobState::Scheduled,
            _ => JobState::Ready,
        };
        let known = job.firing.is_some() || job.part.is_some() || job.window.is_some();
        let fresh = self.tenant.is_fresh(lane, state, job.deadline, known);
        let before = self.tenant.lane(lane).kept.then(|| self.open_of_key(lane));
        let seq = self.emit(Fact::JobEnqueued {
            correlation_id: job.correlation_id.clone(),
            deadline: job.deadline,
            depends_on: job.depends_on.clone(),
            firing: job.firing.clone(),
            job: job.id,
            labels: job.labels.clone(),
            lane,
            not_before: job.not_before,
            open_parents,
            origin: job.origin,
            part: job.part,
            payload_sha256: job.payload_sha256.clone(),
            state,
            window: job.window,
        });
        self.key_use(job.key, &[job.id]);
        if fresh {
            let warm = WarmJob { state, lane, seq, attempt: 0, epoch: 0, report: None, settled: false };
            self.tenant.warm.put_job(self.at.commit, job.id, warm);
        }
        let id = job.id;
        let row = self.row(job, lane, seq, fresh);
        if fresh {
            let carried = Some(Carried { payload: row.payload.clone(), extra: row.extra.clone() });
            self.window_push(lane, Entry { seq, job: id, carried });
        }
        self.out.rows.jobs.push(row);
        if doomed {
            self.skip(id);
        } else if let Some(open) = before {
            self.keep_to_strategy(id, lane, open);
        }
        before.is_some()
    }

    /// Which dependencies are open (by index), and whether one makes the job pointless already.
    fn parents(&self, depends_on: &[Dependency]) -> (Vec<u32>, bool) {
        let mut open = Vec::new();
        let mut doomed = false;
        for (n, dependency) in depends_on.iter().enumerate() {
            match self.known(dependency.job) {
                Known::Final(JobState::Succeeded) => {}
                Known::Final(_) => doomed |= dependency.on == DependsOn::Succeeded,
                Known::Open | Known::Unknown => open.push(u32::try_from(n).unwrap_or(u32::MAX)),
            }
        }
        (open, doomed)
    }

    fn skip(&mut self, job: JobId) {
        let error = JobError::own("dependency", "a dependency did not succeed", false);
        self.finish(job, JobState::Skipped, EndCause::Dependency, None, Some(error), None);
        self.settle();
    }

    fn row(&self, job: NewJob, lane: LaneNo, seq: u64, fresh: bool) -> JobRow {
        let own = job.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
        let of_run = job.part.map(|part| (RUN_LABEL.to_owned(), part.run.to_string()));
        let of_backfill = job.window.map(|window| (BACKFILL_LABEL.to_owned(), window.backfill.to_string()));
        let labels = own.chain(of_run).chain(of_backfill).collect();
        let extra = JobExtra {
            correlation_id: job.correlation_id,
            deadline: job.deadline,
            depends_on: job.depends_on,
            firing: job.firing,
            labels: job.labels,
            not_before: job.not_before,
            origin: job.origin,
            part: job.part,
            window: job.window,
        };
        let empty = extra == JobExtra::default();
        let json = || serde_json::to_vec(&extra).expect("the extra holds only strings, numbers and lists").into();
        JobRow {
            id: job.id,
            tenant: self.tenant.no,
            lane,
            seq,
            fresh,
            created_at: self.at.now,
            extra: (!empty).then(json),
            payload: job.payload,
            labels,
        }
    }
}

struct Plan {
    /// Answers that are known already, by place.
    replays: Vec<Option<Enqueued>>,
    /// Places of the others, parents first.
    order: Vec<usize>,
}

/// Kahn's algorithm over the dependencies inside the call; ties by place.
fn parents_first(jobs: &[NewJob], ids: &BTreeMap<JobId, usize>, field: &str) -> Result<Vec<usize>, Refusal> {
    let mut waits: BTreeMap<usize, usize> = ids.values().map(|place| (*place, 0)).collect();
    let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for place in ids.values() {
        for parent in jobs[*place].depends_on.iter().filter_map(|dependency| ids.get(&dependency.job)) {
            *waits.entry(*place).or_default() += 1;
            children.entry(*parent).or_default().push(*place);
        }
    }
    let mut free: BTreeSet<usize> = waits.iter().filter(|(_, n)| **n == 0).map(|(place, _)| *place).collect();
    let mut order = Vec::with_capacity(ids.len());
    while let Some(place) = free.pop_first() {
        order.push(place);
        for child in children.remove(&place).unwrap_or_default() {
            let left = waits.entry(child).or_default();
            *left -= 1;
            if *left == 0 {
                free.insert(child);
            }
        }
    }
    if order.len() == ids.len() {
        return Ok(order);
    }
    let stuck = waits.iter().find(|(_, n)| **n > 0).map_or(0, |(place, _)| *place);
    let path = format!("{field}[{stuck}].depends_on");
    let detail = format!("the dependencies of {field}[{stuck}] lead back to itself");
    Err(Refusal::field(Code::DependencyCycle, path, detail))
}
