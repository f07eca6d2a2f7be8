//! What time does: due jobs, expired leases, unheard leases, time-outs, deadlines, graces.

use orch_core::fact::{EndCause, Fact, NextTry, ReadyCause};
use orch_core::ids::JobId;
use orch_core::job::{AttemptOutcome, JobError, JobState};
use orch_core::time::Timestamp;

use crate::decide::Desk;
use crate::mutant::{self, Mutant};
use crate::prepared::Prepared;
use crate::shard::Shard;
use crate::wheel::Watched;

/// A gap between two moments in which the owner served that is longer than this was not served.
/// Below a third of the shortest lease, so that a pause that counts as served costs a worker one heartbeat at most.
pub(crate) const GAP_MS: u64 = 250;

impl Desk<'_> {
    /// Does to one job what time has brought.
    pub fn look_at(&mut self, id: JobId) {
        let Some(job) = self.tenant.jobs.get(&id) else { return };
        let now = self.at.now;
        let passed = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if let Some(lease) = &job.lease {
            let (grace, until, execution, unheard) =
                (lease.grace_until, lease.until, lease.execution_until, lease.unheard_until);
            let canceling = grace.is_some() && !mutant::on(Mutant::CancelForgotten);
            if passed(grace) {
                self.end(id, JobState::Canceled, EndCause::CancelGrace, AttemptOutcome::Canceled, None);
            } else if passed(job.deadline) {
                let error = JobError::own("deadline", "the deadline passed", false);
                self.end(id, JobState::Failed, EndCause::Deadline, AttemptOutcome::TimedOut, Some(error));
            } else if passed(Some(until)) {
                self.lost(id);
            } else if passed(Some(execution)) {
                let error = JobError::own("timed_out", "the attempt ran longer than its execution time-out", true);
                if canceling {
                    self.end(id, JobState::Canceled, EndCause::Canceled, AttemptOutcome::TimedOut, Some(error));
                } else {
                    self.failed_attempt(id, AttemptOutcome::TimedOut, error, None);
                }
            } else if passed(unheard) && canceling {
                self.end(id, JobState::Canceled, EndCause::Canceled, AttemptOutcome::Released, None);
            } else if passed(unheard) {
                // A worker that has spoken since and does not know of it missed the answer to its claim. One that fell
                // silent died with it: a job that kills whoever picks it up must come to an end.
                let spoke = self.sessions.get(&lease.session).is_some_and(|known| known.heard_at > lease.granted_at);
                if spoke || mutant::on(Mutant::UnheardIsFree) { self.give_back(id, None) } else { self.lost(id) }
            }
        } else if passed(job.deadline) {
            let error = Some(JobError::own("deadline", "the deadline passed", false));
            self.finish(id, JobState::Failed, EndCause::Deadline, None, error, None);
        } else if job.state == JobState::Scheduled && passed(job.due_at) {
            let prev = job.last_seq;
            self.emit(Fact::JobReady { cause: ReadyCause::Due, job: id, prev });
        }
        self.settle();
        if let Some(at) = self.tenant.jobs.get(&id).and_then(crate::job::Job::next_moment) {
            self.wheel.put(at.max(now), self.tenant.no, Watched::Job(id));
        }
    }

    fn end(&mut self, id: JobId, state: JobState, cause: EndCause, outcome: AttemptOutcome, error: Option<JobError>) {
        self.finish(id, state, cause, Some(outcome), error, None);
    }

    /// The lease expired, or its worker never spoke after the grant: its own cap, not the tries.
    fn lost(&mut self, id: JobId) {
        let job = &self.tenant.jobs[&id];
        let (attempt, prev, lost) = (job.attempt, job.last_seq, job.lost + 1);
        let heard_at = job.lease.as_ref().and_then(|lease| lease.heard_at);
        let canceling = job.lease.as_ref().is_some_and(|lease| lease.grace_until.is_some());
        let lost_max = self.tenant.policy(job.lane).lost_max;
        let error = JobError::own("worker_lost", "the lease expired without a sign of life", true);
        if canceling {
            self.end(id, JobState::Canceled, EndCause::Canceled, AttemptOutcome::Lost, Some(error));
        } else if lost >= lost_max {
            self.end(id, JobState::Failed, EndCause::WorkerLost, AttemptOutcome::Lost, Some(error));
        } else {
            let (error, next, outcome) = (Some(error), NextTry::Now, AttemptOutcome::Lost);
            let (free, report) = (false, None);
            self.emit(Fact::AttemptEnded { attempt, error, free, heard_at, job: id, next, outcome, prev, report });
        }
    }
}

impl Shard {
    /// Sets the moment of the next commands. Time that was not served (the process stood still) is given back to
    /// every lease.
    pub(crate) fn pass_time(&mut self, now: Timestamp) {
        let gap = now.ms_since(self.now);
        if self.served && gap > GAP_MS && !mutant::on(Mutant::ReapWithoutGrace) {
            let leased = self.tenants.worth().leased.clone();
            for no in leased {
                let Some(tenant) = self.tenants.get_mut(no) else { continue };
                for job in tenant.jobs.values_mut() {
                    if let Some(lease) = &mut job.lease {
                        lease.until = lease.until.plus_ms(gap);
                        lease.execution_until = lease.execution_until.plus_ms(gap);
                        lease.unheard_until = lease.unheard_until.map(|at| at.plus_ms(gap));
                    }
                }
            }
        }
        self.stands_still = now < self.now;
        self.now = self.now.max(now);
        self.served = true;
    }

    /// The command `Tick`.
    pub(crate) fn tick(&mut self) {
        let nothing = Prepared::default();
        let facts = self.out.facts();
        for (no, watched) in self.wheel.take_due(self.now) {
            if watched == Watched::Opening {
                self.openings.remove(&no);
            }
            let Some(mut desk) = self.desk(no, &nothing) else { continue };
            match watched {
                Watched::Opening => desk.tenant.index.stirred = true,
                Watched::Age(no) => desk.tenant.look_at_age(no, desk.at.now, desk.wheel),
                Watched::Blackouts => desk.cancel_in_blackouts(),
                Watched::Schedules => desk.look_at_schedules(),
                Watched::Runs => {}
                Watched::Run(run) => desk.look_at_run(run),
                Watched::Backfill(backfill) => desk.look_at_backfill(backfill),
                Watched::Job(job) => desk.look_at(job),
                Watched::Claim(session, claim) => {
                    for job in desk.tenant.claimed(session, claim).collect::<Vec<_>>() {
                        desk.look_at(job);
                    }
                }
            }
            desk.drive_runs();
        }
        self.account(self.out.facts() > facts);
    }
}
