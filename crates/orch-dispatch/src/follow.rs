//! What follows from an end: the row, the dead letter, and the children that waited.

use orch_core::fact::{EndCause, Fact, ReadyCause};
use orch_core::ids::JobId;
use orch_core::job::{ArtifactRef, AttemptOutcome, JobError, JobState};
use orch_core::port::{DeadLetterRow, DoneRow, JobOutput};
use orch_core::time::Timestamp;

use crate::decide::Desk;
use crate::job::cause_word;
use crate::mutant::{self, Mutant};
use crate::warm::WarmJob;

/// What a worker's report adds to an end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reported {
    pub fingerprint: [u8; 16],
    pub result: Option<serde_json::Value>,
    pub result_sha256: Option<String>,
    pub artifacts: Vec<ArtifactRef>,
}

impl Desk<'_> {
    /// Ends a job held in memory. Children are settled by `settle`.
    pub fn finish(
        &mut self,
        id: JobId,
        state: JobState,
        cause: EndCause,
        outcome: Option<AttemptOutcome>,
        error: Option<JobError>,
        report: Option<Reported>,
    ) {
        let job = self.tenant.jobs.get(&id).expect("only a job held in memory is ended here");
        let (attempt, lane, prev) = (job.attempt, job.lane, job.last_seq);
        let part = job.part.as_deref().copied();
        // Ended between two attempts: the last report's sender may still ask what became of it.
        let before = job
            .reported
            .filter(|(_, of, _)| job.lease.is_none() && *of == attempt && !mutant::on(Mutant::LastReportForgotten));
        let epoch = job.lease.as_ref().map(|lease| lease.epoch).or(before.map(|(epoch, _, _)| epoch)).unwrap_or(0);
        let heard_at = job.lease.as_ref().and_then(|lease| lease.heard_at);
        let heard_at = heard_at.filter(|_| outcome == Some(AttemptOutcome::Lost));
        let fingerprint = report.as_ref().map(|report| report.fingerprint);
        let report = report.unwrap_or_default();
        let found = part.and_then(|part| self.tenant.found_for_run(part, report.result.as_ref()));
        let seq = self.emit(Fact::JobFinished {
            attempt,
            cause,
            error: error.clone(),
            found,
            heard_at,
            job: id,
            lane,
            outcome,
            prev,
            report: fingerprint.map(|bytes| format!("{:032x}", u128::from_be_bytes(bytes))),
            result_sha256: report.result_sha256,
            state,
        });
        if state == JobState::Failed {
            self.dead_letter(id, lane, cause, error.clone(), attempt);
        }
        let output = JobOutput { artifacts: report.artifacts, error, result: report.result };
        let report = fingerprint.or(before.map(|(_, _, report)| report));
        let ended = WarmJob { state, lane, seq, attempt, epoch, report, settled: false };
        self.ended(id, ended, output);
    }

    /// The row of an end, and its warm entry.
    pub fn ended(&mut self, id: JobId, ended: WarmJob, output: JobOutput) {
        let empty = output == JobOutput::default();
        let json = || serde_json::to_vec(&output).expect("an output is JSON already").into();
        self.out.rows.done.push(DoneRow {
            job: id,
            tenant: self.tenant.no,
            lane: ended.lane,
            state: ended.state,
            at: self.at.now,
            seq: ended.seq,
            attempt: ended.attempt,
            epoch: ended.epoch,
            report: ended.report,
            output: (!empty).then(json),
        });
        self.tenant.warm.put_job(self.at.commit, id, ended);
        if ended.state == JobState::Failed && mutant::on(Mutant::KeyFreedOnFailure) {
            self.tenant.warm.free_key_of(id);
        }
    }

    /// The dead letter of a failed job.
    pub fn dead_letter(
        &mut self,
        job: JobId,
        lane: orch_core::LaneNo,
        cause: EndCause,
        error: Option<JobError>,
        attempts: u32,
    ) {
        self.out.rows.dead_letters.push(DeadLetterRow {
            job,
            tenant: self.tenant.no,
            lane,
            at: self.at.now,
            cause: cause_word(cause).to_owned(),
            error: error.unwrap_or_else(|| JobError::own(cause_word(cause), "no error was given", false)),
            attempts,
        });
    }

    /// Goes on with the children whose parents' ends decided them, and with their children, until none is left.
    pub fn settle(&mut self) {
        while let Some(child) = self.tenant.index.resolved.pop() {
            let Some(job) = self.tenant.jobs.get(&child).filter(|job| job.state == JobState::Blocked) else { continue };
            let (doomed, due_at, prev) = (job.doomed, job.due_at, job.last_seq);
            if doomed {
                let error = JobError::own("dependency", "a dependency did not succeed", false);
                self.finish(child, JobState::Skipped, EndCause::Dependency, None, Some(error), None);
            } else if let Some(at) = due_at.filter(|at| *at > self.at.now) {
                self.emit(Fact::JobScheduled { at, job: child, prev });
            } else {
                self.emit(Fact::JobReady { cause: ReadyCause::Unblocked, job: child, prev });
            }
        }
    }

    /// Cancels a fresh job, which memory does not hold: it was never handed out.
    pub fn cancel_fresh(
        &mut self,
        id: JobId,
        lane: orch_core::LaneNo,
        seq: u64,
        cause: EndCause,
        error: Option<JobError>,
    ) {
        let state = JobState::Canceled;
        let finished = self.emit(Fact::JobFinished {
            attempt: 0,
            cause,
            error: error.clone(),
            found: None,
            heard_at: None,
            job: id,
            lane,
            outcome: None,
            prev: seq,
            report: None,
            result_sha256: None,
            state,
        });
        if !mutant::on(Mutant::CanceledFromWindow) {
            self.window_remove(lane, seq);
        }
        let ended = WarmJob { state, lane, seq: finished, attempt: 0, epoch: 0, report: None, settled: false };
        self.ended(id, ended, JobOutput { error, ..JobOutput::default() });
        self.settle();
    }

    /// When a failed job is tried again.
    pub fn retry_at(&self, id: JobId, error: Option<&JobError>) -> Timestamp {
        let job = self.tenant.jobs.get(&id).expect("only a job held in memory is tried again");
        let backoff = self.tenant.policy(job.lane).backoff();
        let after = error.and_then(|error| error.retry_after_ms);
        self.at.now.plus_ms(backoff.delay_ms(id, job.attempt, job.tries + 1, after))
    }
}
