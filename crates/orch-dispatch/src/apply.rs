//! `apply(fact)`: the only way a tenant's state changes. Live and recovered states go through here alike,
//! so nothing in this file may depend on anything but the state and the record.

use orch_core::config::{ConfigDoc, ConfigKind, JobType};
use orch_core::fact::{Fact, NextTry, PauseTarget, Record};
use orch_core::ids::{JobId, LaneNo};
use orch_core::job::{AttemptOutcome, DependsOn, JobState};
use orch_core::run::PartOf;
use orch_core::schedule::Asked;
use orch_core::time::Timestamp;
use orch_core::transition::{Event, next};
use orch_gates::Cut;

use crate::breaker;
use crate::command::ThrottleLimits;
use crate::job::{Job, Lease};
use crate::lane::Lane;
use crate::mutant::{self, Mutant};
use crate::tenant::{Pause, Tenant, Versioned};
use crate::wheel::{Watched, Wheel};

/// The state that `event` leads to. A fact that the table refuses is a defect: going on would corrupt.
fn step(state: JobState, event: Event) -> JobState {
    match next(state, event) {
        Ok(state) => state,
        Err(error) => {
            if mutant::on(Mutant::FinalNotFinal) || mutant::on(Mutant::EdgeCountedTwice) {
                return state;
            }
            panic!("a fact breaks the state machine: {error}")
        }
    }
}

impl Tenant {
    /// Changes the state by one fact.
    pub fn apply(&mut self, record: &Record, wheel: &mut Wheel) {
        debug_assert_eq!(record.seq, self.seq + 1, "a tenant's sequence has no gaps");
        self.seq = record.seq;
        match &record.body {
            Fact::ConfigSet { doc, version } => {
                self.config_version += 1;
                match doc {
                    ConfigDoc::Breaker(doc) => self.breaker_declared(doc, record.at),
                    ConfigDoc::Schedule(doc) => self.schedule_declared(doc, record.at),
                    _ => {}
                }
                let key = (doc.kind(), doc.name().to_owned());
                self.configs.insert(key, Versioned { doc: doc.clone(), version: *version, at: record.at });
                if let ConfigDoc::JobType(doc) = doc {
                    self.lengthen_leases(doc);
                    self.index_keys();
                }
                self.index_declared(record.at, wheel);
            }
            Fact::LaneOpened { key, lane } => {
                debug_assert_eq!(lane.0 as usize, self.lanes.len() + 1, "lanes are numbered without gaps");
                self.lanes.push(Lane::new(key.clone()));
                self.index_lane(*lane);
            }
            Fact::JobEnqueued { .. } => self.enqueued(record, wheel),
            Fact::JobReady { job, .. } => self.ready(*job, record, wheel),
            Fact::JobScheduled { at, job, .. } => self.scheduled(*job, *at, record.seq, wheel),
            Fact::LeaseGranted { .. } => self.granted(record, wheel),
            Fact::LeaseAcked { job, .. } => {
                self.change(*job, record.seq, Event::Acknowledged);
            }
            Fact::AttemptEnded { .. } => self.attempt_ended(record, wheel),
            Fact::JobFinished { cause, found, job, lane, state, .. } => {
                let good = breaker::said_of_finished(*cause);
                self.attempt_over(*job, good, record.at);
                if good == Some(true) {
                    self.flight_succeeded(*job);
                }
                if *state == JobState::Succeeded || mutant::on(Mutant::RunTimesOfFailures) {
                    self.run_time(*job, *lane, record.at);
                }
                let part = self.finished(*job, *state, *lane);
                self.schedule_ended(Asked::Job(*job), *state, record.at, wheel);
                self.window_ended(Asked::Job(*job), *state);
                if let Some(part) = part {
                    self.job_of_run_ended(part, *state, found.as_deref(), record.at);
                }
            }
            Fact::ScheduleSkipped { cause, count, first_at, last_at, schedule, .. } => {
                self.schedule_skipped(schedule, (*first_at, *last_at), *count, *cause);
            }
            Fact::ScheduleBuffered { nominal_at, schedule } => self.schedule_buffered(schedule, *nominal_at),
            Fact::SchedulePaused { by, reason, schedule } => {
                let pause = Pause { by: by.clone(), reason: reason.clone(), at: record.at };
                self.schedule_paused(schedule, Some(pause), record.at, wheel);
            }
            Fact::ScheduleResumed { schedule, .. } => self.schedule_paused(schedule, None, record.at, wheel),
            Fact::CancelRequested { grace_until, job, .. } => {
                self.cancel_requested(*job, *grace_until, record.seq, wheel)
            }
            Fact::JobReprioritized { from, job, lane, prev, .. } => {
                self.reprioritized(*job, (*from, *lane), *prev, record, wheel);
            }
            Fact::Paused { by, reason, target } => {
                let pause = Pause { by: by.clone(), reason: reason.clone(), at: record.at };
                self.pauses.insert(target.clone(), pause);
                self.refresh_target(target);
            }
            Fact::Resumed { target, .. } => {
                self.pauses.remove(target);
                self.refresh_target(target);
            }
            Fact::Throttled { active_max, by, per_minute_max, reason, target, until } => {
                let set = Pause { by: by.clone(), reason: reason.clone(), at: record.at };
                let (active_max, per_minute_max, until) = (*active_max, *per_minute_max, *until);
                self.throttled(target, ThrottleLimits { active_max, per_minute_max, until }, set);
            }
            Fact::ThrottleEnded { target, .. } => self.throttle_ended(target, record.at),
            Fact::Prioritized { by, priority, reason, target, until } => {
                let set = Pause { by: by.clone(), reason: reason.clone(), at: record.at };
                self.prioritized(target, *priority, *until, set);
            }
            Fact::PriorityEnded { target, .. } => {
                self.priorities.remove(target);
            }
            Fact::TenantAllotted { allotment, .. } => {
                self.allotment = *allotment;
                self.index.stirred = true;
            }
            Fact::FairnessNoted { receipt } => self.receipts.noted(receipt),
            Fact::TenantMarked { erase_at, .. } => self.erase_at = Some(*erase_at),
            Fact::TenantRestored { .. } => {
                self.erase_at = None;
                self.stir_runs();
                self.stir_backfills();
                self.refresh_all();
            }
            Fact::BucketCut { bucket, cause, from, in_flight, slow, to, .. } => {
                let in_flight = in_flight.filter(|_| !mutant::on(Mutant::FlightCutForgotten));
                let cut = Cut { at: record.at, cause: *cause, from: *from, to: *to, in_flight, slow: *slow };
                self.buckets.entry(bucket.clone()).or_default().take(cut);
            }
            Fact::BucketClosed { bucket, until, .. } => {
                self.buckets.entry(bucket.clone()).or_default().close(*until);
            }
            Fact::BucketReset { bucket, .. } => {
                self.buckets.entry(bucket.clone()).or_default().reset();
                let host = self.bucket_doc(bucket).map(|doc| doc.host.clone());
                if let Some(host) = host.and_then(|host| self.hosts.get_mut(&host)) {
                    host.reset();
                }
                self.index.stirred = true;
            }
            Fact::ConfigDeleted { kind, name, version, .. } => {
                self.configs.remove(&(*kind, name.clone()));
                self.gone.insert((*kind, name.clone()), *version);
                self.config_version += 1;
                match kind {
                    ConfigKind::Breaker => drop(self.breakers.remove(name)),
                    ConfigKind::Schedule => drop(self.schedules.remove(name)),
                    _ => {}
                }
                self.index_declared(record.at, wheel);
            }
            Fact::PermitGiven { cost, host, leaves_at, tenant, weight, .. } => {
                self.permit_given(host, (*tenant, *weight), *cost, *leaves_at);
            }
            Fact::HostClosed { host, tenant, until, .. } => {
                self.hosts.entry(host.clone()).or_default().report(*tenant, *until, record.at);
            }
            Fact::BreakerTripped { breaker, by, reason } => {
                if let Some(kept) = self.breakers.get_mut(breaker) {
                    kept.breaker.trip(record.at);
                    kept.tripped = Some(Pause { by: by.clone(), reason: reason.clone(), at: record.at });
                }
            }
            Fact::BreakerReset { breaker, .. } => {
                if let Some(kept) = self.breakers.get_mut(breaker) {
                    kept.breaker.reset(record.at);
                    kept.tripped = None;
                }
                self.index.stirred = true;
            }
            Fact::RunStarted { .. }
            | Fact::StepsSkipped { .. }
            | Fact::PartFailed { .. }
            | Fact::MapEnded { .. }
            | Fact::ApprovalAsked { .. }
            | Fact::ApprovalDecided { .. }
            | Fact::RunCancelRequested { .. }
            | Fact::RunPaused { .. }
            | Fact::RunResumed { .. }
            | Fact::RunFinished { .. } => self.run_fact(record, wheel),
            Fact::BackfillCreated { .. }
            | Fact::BackfillSkipped { .. }
            | Fact::BackfillPaused { .. }
            | Fact::BackfillResumed { .. }
            | Fact::BackfillCancelRequested { .. }
            | Fact::BackfillFinished { .. } => self.backfill_fact(record),
            Fact::WatermarkAdvanced { .. } | Fact::WatermarkSet { .. } => self.watermark_moved(record),
            Fact::TenantCreated { .. }
            | Fact::TokenCreated { .. }
            | Fact::TokenRevoked { .. }
            | Fact::DeadLetterSettled { .. }
            | Fact::RowsKept { .. }
            | Fact::Turn { .. } => {}
        }
    }

    /// Heartbeats answer with the new length from now on, and are no facts: what a recovery gives must cover it.
    fn lengthen_leases(&mut self, doc: &JobType) {
        if mutant::on(Mutant::LongerLeaseForgotten) {
            return;
        }
        let lanes = &self.lanes;
        let of_type = |job: &&mut Job| lanes[job.lane.0 as usize - 1].key.job_type == doc.name;
        for lease in self.jobs.values_mut().filter(of_type).filter_map(|job| job.lease.as_mut()) {
            lease.longest_ms = lease.longest_ms.max(doc.lease_ms);
        }
    }

    /// Finds out anew which declared things each group of lanes has to do with.
    fn index_declared(&mut self, at: Timestamp, wheel: &mut Wheel) {
        self.index.blackouts.declared(&self.configs);
        self.index.timetables.declared(&self.configs);
        self.index_groups();
        self.watch_blackouts(at, wheel);
        self.watch_schedules(at, wheel);
        self.refresh_all();
    }

    fn refresh_all(&mut self) {
        self.index.stirred = true;
        for no in 1..=self.lanes.len() {
            self.refresh_lane(LaneNo(u32::try_from(no).unwrap_or(u32::MAX)));
        }
    }

    fn refresh_target(&mut self, target: &PauseTarget) {
        self.index.stirred = true;
        if let PauseTarget::Lane(no) = target {
            self.refresh_lane(*no);
        }
    }

    /// A lane that begins to wait starts at the virtual time of now: idleness earns no credit.
    pub fn begin_waiting(&mut self, no: LaneNo, at: Timestamp, wheel: &mut Wheel) {
        let vtime = self.vtime;
        let lane = self.lane_mut(no);
        if lane.waiting() == 0 {
            lane.pass = lane.pass.max(vtime);
            (lane.unserved_since, lane.aged) = (at, 0);
            self.watch_age(no, wheel);
        }
    }

    fn enqueued(&mut self, record: &Record, wheel: &mut Wheel) {
        let Fact::JobEnqueued {
            job: id,
            lane,
            deadline,
            not_before,
            depends_on,
            firing,
            open_parents,
            part,
            state,
            window,
            ..
        } = &record.body
        else {
            return;
        };
        self.count(*state, 1);
        self.count_keyless(*lane);
        if *state == JobState::Ready {
            self.begin_waiting(*lane, record.at, wheel);
        }
        if let Some(firing) = firing {
            self.schedule_fired(firing, Asked::Job(*id));
        }
        if let Some(part) = part {
            self.part_began(*part, *id, record.at);
        }
        if let Some(window) = window {
            self.window_began(window, Asked::Job(*id));
        }
        let known = firing.is_some() || part.is_some() || window.is_some();
        if self.is_fresh(*lane, *state, *deadline, known) {
            self.lane_mut(*lane).fresh += 1;
            self.refresh_lane(*lane);
            return;
        }
        for parent in open_parents {
            let dependency = depends_on[*parent as usize];
            self.dependents.entry(dependency.job).or_default().push((*id, dependency.on));
        }
        let job = Job {
            lane: *lane,
            state: *state,
            accepted: record.seq,
            last_seq: record.seq,
            attempt: 0,
            tries: 0,
            lost: 0,
            due_at: *not_before,
            deadline: *deadline,
            waits_for: u32::try_from(open_parents.len()).unwrap_or(u32::MAX),
            doomed: false,
            lease: None,
            reported: None,
            error: None,
            order_key: record.seq,
            part: part.map(Box::new),
            held: false,
            progress: None,
        };
        self.watch(*id, &job, wheel);
        self.jobs.insert(*id, job);
        self.key_opened(*id, *lane, record.seq);
        if *state == JobState::Ready {
            self.lane_mut(*lane).again.insert(record.seq, *id);
            self.refresh_lane(*lane);
        }
    }

    fn watch(&self, id: JobId, job: &Job, wheel: &mut Wheel) {
        if let Some(at) = job.next_moment() {
            wheel.put(at, self.no, Watched::Job(id));
        }
    }

    /// Moves a job held in memory to the state that `event` leads to; returns its lane.
    fn change(&mut self, id: JobId, seq: u64, event: Event) -> LaneNo {
        let job = self.jobs.get_mut(&id).expect("the fact speaks of a job that is open and held in memory");
        let before = job.state;
        job.state = step(before, event);
        job.last_seq = seq;
        let (after, lane) = (job.state, job.lane);
        self.count(before, -1);
        self.count(after, 1);
        lane
    }

    fn ready(&mut self, id: JobId, record: &Record, wheel: &mut Wheel) {
        let event = match self.jobs.get(&id).map(|job| job.state) {
            Some(JobState::Blocked) => Event::Unblocked,
            _ => Event::Due,
        };
        let lane = self.change(id, record.seq, event);
        self.enter_lane(id, lane, record, wheel);
        if let Some(job) = self.jobs.get(&id) {
            self.watch(id, job, wheel);
        }
    }

    /// Into the lane again, under a new order key above every other.
    pub fn enter_lane(&mut self, id: JobId, no: LaneNo, record: &Record, wheel: &mut Wheel) {
        let holds = self.run_holds(id);
        if !holds {
            self.begin_waiting(no, record.at, wheel);
        }
        let job = self.jobs.get_mut(&id).expect("only a job held in memory enters its lane again");
        if !(mutant::on(Mutant::ReenterBelowHead) && job.attempt > 0) {
            job.order_key = record.seq;
        }
        job.due_at = None;
        job.held = holds;
        let key = job.order_key;
        if !holds {
            self.lane_mut(no).again.insert(key, id);
        }
        self.refresh_lane(no);
    }

    fn scheduled(&mut self, id: JobId, at: Timestamp, seq: u64, wheel: &mut Wheel) {
        self.change(id, seq, Event::UnblockedEarly);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.due_at = Some(at);
            wheel.put(at, self.no, Watched::Job(id));
        }
    }

    fn granted(&mut self, record: &Record, wheel: &mut Wheel) {
        let Fact::LeaseGranted {
            attempt,
            auto_ack,
            canary,
            claim,
            epoch,
            job: id,
            lane: no,
            lease_ms,
            leave_by,
            not_before,
            prev,
            session,
            ..
        } = &record.body
        else {
            return;
        };
        if *attempt == 1 || !mutant::on(Mutant::BucketFreeForRetries) {
            let leaves = not_before.filter(|_| !mutant::on(Mutant::BucketCountsEarly));
            self.spend(*no, leaves.unwrap_or(record.at));
        }
        if *attempt == 1 || !mutant::on(Mutant::HourFreeForRetries) {
            self.spend_hour(*no, not_before.unwrap_or(record.at));
        }
        if *attempt == 1 || !mutant::on(Mutant::ThrottleFreeForRetries) {
            self.spend_throttles(*no, record.at);
        }
        let probes = self.attempt_began(*no, record.at);
        debug_assert_eq!(*canary, !probes.is_empty(), "a canary says so");
        let execution_ms = self.policy(*no).execution_ms_max;
        let fresh = !self.jobs.contains_key(id);
        let (vtime, cost) = (self.vtime, self.grant_cost(*no, record.at));
        let lane = self.lane_mut(*no);
        if fresh {
            lane.fresh -= 1;
            if !mutant::on(Mutant::HeadNotAdvanced) {
                lane.head = *prev;
            }
        }
        lane.leased += 1;
        let place = lane.served(record.at, cost);
        self.vtime = vtime.max(place);
        let job = self.jobs.entry(*id).or_insert_with(|| Job::fresh(*no, *prev));
        let order_key = job.order_key;
        let lease = Lease {
            epoch: *epoch,
            session: *session,
            claim: *claim,
            granted_at: record.at,
            lease_ms: *lease_ms,
            longest_ms: *lease_ms,
            not_before: *not_before,
            leave_by: *leave_by,
            probes,
            execution_ms,
            grace_until: None,
            until: record.at.plus_ms(*lease_ms),
            heard_at: None,
            unheard_until: Some(record.at.plus_ms(lease_ms * 2 / orch_core::limits::HEARTBEATS_PER_LEASE)),
            execution_until: record.at.plus_ms(execution_ms),
        };
        job.attempt = *attempt;
        job.lease = Some(lease);
        if fresh {
            self.key_opened(*id, *no, *prev);
        } else {
            self.lane_mut(*no).again.remove(&order_key);
        }
        self.change(*id, record.seq, if *auto_ack { Event::GrantedRunning } else { Event::Granted });
        // The grants of a claim share an entry, unless one must be looked at earlier than those before it.
        let moment = |id: &JobId| self.jobs.get(id).and_then(Job::next_moment);
        let watched = self.claimed(*session, *claim).next().and_then(|first| moment(&first));
        if let Some(at) = moment(id).filter(|at| watched.is_none_or(|watched| *at < watched)) {
            wheel.put(at, self.no, Watched::Claim(*session, *claim));
        }
        self.index_lease(*id, *no, *session, *claim);
        self.refresh_lane(*no);
        self.watch_age(*no, wheel);
    }

    /// Takes the lease off a job and frees its slot.
    fn unlease(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let (no, lease) = (job.lane, job.lease.take());
        job.progress = None;
        let Some(lease) = lease else { return };
        let epoch = lease.epoch;
        self.lane_mut(no).leased -= 1;
        if !mutant::on(Mutant::SlotLeaked) {
            self.unindex_lease(id, no, lease.session, lease.claim);
        }
        debug_assert!(epoch > 0, "a lease names the epoch that granted it");
    }

    fn attempt_ended(&mut self, record: &Record, wheel: &mut Wheel) {
        let Fact::AttemptEnded { attempt, error, free, job: id, next, outcome, report, .. } = &record.body else {
            return;
        };
        self.attempt_over(*id, breaker::said_of_ended(*outcome), record.at);
        let epoch = self.jobs.get(id).and_then(|job| job.lease.as_ref()).map_or(0, |lease| lease.epoch);
        self.unlease(*id);
        if let Some(job) = self.jobs.get_mut(id) {
            let costs_try = match outcome {
                AttemptOutcome::Lost => mutant::on(Mutant::LostCountsAsTry),
                AttemptOutcome::Released => mutant::on(Mutant::ReleaseCostsTry),
                _ => !free,
            };
            job.tries += u32::from(costs_try);
            job.lost += u32::from(*outcome == AttemptOutcome::Lost);
            job.error = error.clone().map(Box::new).or(job.error.take());
            job.reported = report.as_deref().and_then(fingerprint).map(|report| (epoch, *attempt, report));
        }
        match next {
            NextTry::Now => {
                let lane = self.change(*id, record.seq, Event::BackToLane);
                self.enter_lane(*id, lane, record, wheel);
            }
            NextTry::At(at) => {
                self.change(*id, record.seq, Event::FailedForNow);
                if let Some(job) = self.jobs.get_mut(id) {
                    job.due_at = Some(*at);
                }
            }
        }
        if let Some(job) = self.jobs.get(id) {
            self.watch(*id, job, wheel);
        }
    }

    /// Which part of a run it was.
    fn finished(&mut self, id: JobId, state: JobState, no: LaneNo) -> Option<PartOf> {
        self.unlease(id);
        let mut part = None;
        if let Some(job) = self.jobs.remove(&id) {
            self.key_closed(id, &job);
            let event = match state {
                JobState::Succeeded => Event::Succeeded,
                JobState::Canceled => Event::Canceled,
                JobState::Skipped => Event::Pointless,
                _ => Event::FailedForGood,
            };
            step(job.state, event);
            self.count(job.state, -1);
            if job.state == JobState::Ready {
                self.lane_mut(no).again.remove(&job.order_key);
            }
            part = job.part.map(|part| *part);
        } else {
            step(JobState::Ready, if state == JobState::Canceled { Event::Canceled } else { Event::FailedForGood });
            self.lane_mut(no).fresh -= 1;
            self.count(JobState::Ready, -1);
        }
        self.refresh_lane(no);
        self.settle_dependents(id, state);
        part
    }

    /// Tells the children of a job that ended. What becomes of them are facts of their own.
    fn settle_dependents(&mut self, parent: JobId, state: JobState) {
        for (child, on) in self.dependents.remove(&parent).unwrap_or_default() {
            let Some(job) = self.jobs.get_mut(&child).filter(|job| job.state == JobState::Blocked) else { continue };
            let twice = mutant::on(Mutant::EdgeCountedTwice);
            job.waits_for = job.waits_for.saturating_sub(if twice { 2 } else { 1 });
            let unmet = on == DependsOn::Succeeded && state != JobState::Succeeded;
            job.doomed |= unmet && !mutant::on(Mutant::FailedParentUnblocks);
            if job.waits_for == 0 || job.doomed {
                self.index.resolved.push(child);
            }
        }
    }

    fn cancel_requested(&mut self, id: JobId, grace_until: Timestamp, seq: u64, wheel: &mut Wheel) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.last_seq = seq;
            if let Some(lease) = &mut job.lease {
                lease.grace_until = Some(grace_until);
            }
            let (lane, accepted) = (job.lane, job.accepted);
            wheel.put(grace_until, self.no, Watched::Job(id));
            self.key_ending(id, lane, accepted);
        }
    }
}

/// The 16 bytes of a report's fingerprint from a fact.
pub(crate) fn fingerprint(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

impl Job {
    /// A fresh job at its first grant.
    pub fn fresh(lane: LaneNo, seq: u64) -> Self {
        Self {
            lane,
            state: JobState::Ready,
            accepted: seq,
            last_seq: seq,
            attempt: 0,
            tries: 0,
            lost: 0,
            due_at: None,
            deadline: None,
            waits_for: 0,
            doomed: false,
            lease: None,
            reported: None,
            error: None,
            order_key: seq,
            part: None,
            held: false,
            progress: None,
        }
    }
}
