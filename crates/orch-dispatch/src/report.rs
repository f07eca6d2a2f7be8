//! Workers' reports: ack, heartbeat, complete, release, follow-ups, log. Each item is judged by its fence alone.

use bytes::Bytes;
use orch_core::fact::{EndCause, Fact, NextTry};
use orch_core::ids::{JobId, SessionId};
use orch_core::job::{AttemptOutcome, JobError, JobState};
use orch_core::lease::Token;
use orch_core::port::{ArtifactRow, CheckpointRow, LogRow};
use orch_core::refusal::{Code, Refusal};

use crate::answer::BeatAnswer;
use crate::command::{Beat, Completion, KeyUse, NewJob, Report};
use crate::decide::Desk;
use crate::follow::Reported;
use crate::mutant::{self, Mutant};

pub(crate) fn stale() -> Refusal {
    Refusal::field(Code::StaleLease, "token", "this lease is not current: drop the attempt")
}

/// The key under which a completion's follow-up jobs are kept, so that the same completion gets the same answer.
pub(crate) fn follow_ups_key(completion: &Completion) -> Option<KeyUse> {
    let any = !completion.follow_ups.is_empty() && !mutant::on(Mutant::FollowUpsForgotten);
    let digest = any.then(|| orch_core::job::sha256_hex(format!("complete {}", completion.token).as_bytes()))?;
    let key = u128::from_str_radix(&digest[..32], 16).expect("a digest is 64 hexadecimal digits").to_be_bytes();
    Some(KeyUse { key, fingerprint: completion.fingerprint })
}

impl Desk<'_> {
    /// The job of a token whose lease is current: equal in every part.
    pub fn current(&self, token: Token) -> Result<JobId, Refusal> {
        let job = self.tenant.jobs.get(&token.job).ok_or_else(stale)?;
        let lease = job.lease.as_ref().ok_or_else(stale)?;
        let epoch = if mutant::on(Mutant::TokenAgainstOwnerEpoch) { self.at.epoch } else { lease.epoch };
        let attempt = if mutant::on(Mutant::AttemptNotCompared) { token.attempt } else { job.attempt };
        if self.token(token.job, epoch, attempt) == token { Ok(token.job) } else { Err(stale()) }
    }

    /// A worker spoke of this lease.
    pub fn heard(&mut self, id: JobId) {
        let now = self.at.now;
        if let Some(lease) = self.tenant.jobs.get_mut(&id).and_then(|job| job.lease.as_mut()) {
            lease.heard_at = Some(now);
            lease.unheard_until = None;
        }
    }

    /// One token of `Ack`.
    pub fn ack(&mut self, token: Token) -> Result<(), Refusal> {
        let id = self.current(token)?;
        self.heard(id);
        let job = &self.tenant.jobs[&id];
        if job.state == JobState::Leased {
            let (attempt, prev) = (job.attempt, job.last_seq);
            self.emit(Fact::LeaseAcked { attempt, job: id, prev });
        }
        Ok(())
    }

    /// One lease of `Heartbeat`: no fact, only the end of the lease moves.
    pub fn beat(&mut self, session: SessionId, beat: Beat) -> BeatAnswer {
        let Ok(id) = self.current(beat.token) else { return BeatAnswer::Lost };
        self.heard(id);
        let now = self.at.now;
        let lease_ms = self.tenant.policy(self.tenant.jobs[&id].lane).lease_ms;
        if mutant::on(Mutant::HeartbeatExtendsAll) {
            for lease in self.tenant.jobs.values_mut().filter_map(|job| job.lease.as_mut()) {
                if lease.session == session {
                    lease.until = now.plus_ms(lease_ms);
                    lease.unheard_until = None;
                }
            }
        }
        if let Some(data) = beat.checkpoint {
            let (tenant, attempt) = (self.tenant.no, beat.token.attempt);
            self.out.rows.checkpoints.push(CheckpointRow { job: id, tenant, attempt, at: now, data });
        }
        let job = self.tenant.jobs.get_mut(&id).expect("a current lease is on a job held in memory");
        if let Some(progress) = beat.progress {
            job.progress = Some(Box::new(progress));
        }
        let lease = job.lease.as_mut().expect("a current token names an open lease");
        lease.until = lease.until.max(now.plus_ms(lease_ms));
        match lease.grace_until {
            Some(grace) => BeatAnswer::Cancel(grace),
            None => BeatAnswer::Continue(lease.until),
        }
    }

    /// One item of `Complete`.
    pub fn complete(&mut self, completion: Completion) -> Result<Vec<JobId>, Refusal> {
        let token = completion.token;
        let id = match self.current(token) {
            Ok(id) => id,
            Err(refusal) => {
                let before = self.completed_before(&completion);
                if mutant::on(Mutant::CompletionTwice) && matches!(before, Some(Ok(_))) {
                    let again = self.try_enqueue(completion.follow_ups, None, "follow_ups")?;
                    return Ok(again.into_iter().map(|enqueued| enqueued.id).collect());
                }
                return before.unwrap_or(Err(refusal));
            }
        };
        let moved = self.watermark_of(id, &completion)?;
        let key = follow_ups_key(&completion);
        let followed = match &completion.outcome {
            Report::Succeeded { .. } => {
                self.completes = Some(id);
                self.try_enqueue(completion.follow_ups, key, "follow_ups")?
            }
            _ => Vec::new(),
        };
        self.heard(id);
        if let Some(fact) = moved {
            self.emit(fact);
        }
        self.register(id, token.attempt, &completion.artifacts);
        let mut report =
            Reported { fingerprint: completion.fingerprint, artifacts: completion.artifacts, ..Reported::default() };
        let canceling = self.tenant.jobs[&id].lease.as_ref().is_some_and(|lease| lease.grace_until.is_some());
        let (outcome, error) = match completion.outcome {
            Report::Succeeded { result, result_sha256 } => {
                report.result = result;
                report.result_sha256 = result_sha256;
                (AttemptOutcome::Succeeded, None)
            }
            Report::Failed(error) => (AttemptOutcome::Failed, Some(error)),
            Report::Canceled => (AttemptOutcome::Canceled, None),
        };
        if canceling {
            self.finish(id, JobState::Canceled, EndCause::Canceled, Some(outcome), error, Some(report));
        } else {
            match outcome {
                AttemptOutcome::Succeeded => {
                    self.finish(id, JobState::Succeeded, EndCause::Reported, Some(outcome), None, Some(report));
                }
                AttemptOutcome::Canceled => {
                    // Nobody asked for a cancel: the worker gives the job back.
                    self.give_back(id, Some(completion.fingerprint));
                }
                _ => {
                    let error = error.unwrap_or_else(|| JobError::own("handler", "no error was given", true));
                    self.failed_attempt(id, AttemptOutcome::Failed, error, Some(report));
                }
            }
        }
        self.settle();
        Ok(followed.into_iter().map(|enqueued| enqueued.id).collect())
    }

    fn register(&mut self, job: JobId, attempt: u32, artifacts: &[orch_core::job::ArtifactRef]) {
        let (tenant, at) = (self.tenant.no, self.at.now);
        let rows = artifacts.iter().cloned().map(|artifact| ArtifactRow { tenant, job, attempt, at, artifact });
        self.out.rows.artifacts.extend(rows);
    }

    /// The attempt is over: was it by this same report?
    fn completed_before(&self, completion: &Completion) -> Option<Result<Vec<JobId>, Refusal>> {
        let token = completion.token;
        if token.incarnation != self.at.incarnation || token.shard != self.at.shard {
            return None;
        }
        let open = self.tenant.jobs.get(&token.job).map(|job| job.reported);
        let warm = || self.tenant.warm.job(token.job).map(|warm| warm.report.map(|r| (warm.epoch, warm.attempt, r)));
        let stored = || {
            let done = self.prepared.jobs.get(&token.job)?.done.as_ref()?;
            Some(done.report.map(|report| (done.epoch, done.attempt, report)))
        };
        let (epoch, attempt, before) = open.or_else(warm).or_else(stored)??;
        if (epoch, attempt) != (token.epoch, token.attempt) {
            return None;
        }
        Some(if before == completion.fingerprint {
            self.key_replay(follow_ups_key(completion), "follow_ups").map(Option::unwrap_or_default)
        } else {
            let detail = "this attempt was reported before, with another result";
            Err(Refusal::field(Code::CompletionConflict, "outcome", detail))
        })
    }

    /// An attempt ended without success. It counts as a try, unless a breaker knew that its upstream does not work.
    pub fn failed_attempt(&mut self, id: JobId, outcome: AttemptOutcome, error: JobError, report: Option<Reported>) {
        let job = &self.tenant.jobs[&id];
        let free = self.tenant.fails_free(job);
        let (attempt, prev, tries) = (job.attempt, job.last_seq, job.tries + 1);
        let tries_max = self.tenant.policy(job.lane).tries_max;
        let cause = if !error.retryable {
            Some(EndCause::NotRetryable)
        } else {
            (tries >= tries_max && !free).then_some(EndCause::TriesSpent)
        };
        if let Some(cause) = cause {
            self.finish(id, JobState::Failed, cause, Some(outcome), Some(error), report);
            return;
        }
        let next = NextTry::At(self.retry_at(id, Some(&error)));
        let report = report.map(|report| format!("{:032x}", u128::from_be_bytes(report.fingerprint)));
        let error = Some(error);
        self.emit(Fact::AttemptEnded { attempt, error, free, heard_at: None, job: id, next, outcome, prev, report });
    }

    /// One token of `Release`.
    pub fn release(&mut self, token: Token) -> Result<(), Refusal> {
        let id = self.current(token)?;
        let canceling = self.tenant.jobs[&id].lease.as_ref().is_some_and(|lease| lease.grace_until.is_some());
        if canceling {
            let outcome = Some(AttemptOutcome::Released);
            self.finish(id, JobState::Canceled, EndCause::Canceled, outcome, None, None);
            self.settle();
        } else {
            self.give_back(id, None);
        }
        Ok(())
    }

    /// Back into the lane, at no cost.
    pub fn give_back(&mut self, id: JobId, fingerprint: Option<[u8; 16]>) {
        let job = &self.tenant.jobs[&id];
        let (attempt, prev, outcome) = (job.attempt, job.last_seq, AttemptOutcome::Released);
        let report = fingerprint.map(|bytes| format!("{:032x}", u128::from_be_bytes(bytes)));
        let next = NextTry::Now;
        self.emit(Fact::AttemptEnded {
            attempt,
            error: None,
            free: false,
            heard_at: None,
            job: id,
            next,
            outcome,
            prev,
            report,
        });
    }

    /// The command `FollowUps`.
    pub fn follow_ups(
        &mut self,
        token: Token,
        jobs: Vec<NewJob>,
        key: Option<KeyUse>,
    ) -> Result<Vec<crate::answer::Enqueued>, Refusal> {
        let id = self.current(token)?;
        self.heard(id);
        self.takes_new()?;
        self.try_enqueue(jobs, key, "jobs")
    }

    /// The command `Log`.
    pub fn log(&mut self, token: Token, lines: Bytes) -> Result<(), Refusal> {
        let id = self.current(token)?;
        self.heard(id);
        let order = (self.at.commit << 16) | (self.out.rows.logs.len() as u64 & 0xffff);
        let (tenant, attempt, at) = (self.tenant.no, token.attempt, self.at.now);
        self.out.rows.logs.push(LogRow { job: id, tenant, attempt, order, at, lines });
        Ok(())
    }
}
