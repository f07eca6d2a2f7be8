//! Judges what callers are told, at the moment the answer leaves: the ledger must hold it, and a refusal must be true.
//!
//! At that moment the ledger stands exactly at the answer's position, so "not there before this commit" is exact.

use orch_core::ids::{JobId, TenantNo};
use orch_core::job::{AttemptOutcome, JobState};
use orch_core::lease::Token;
use orch_core::refusal::{Code, Refusal};
use orch_core::time::Timestamp;
use orch_dispatch::Answer;
use orch_dispatch::answer::{BeatAnswer, Enqueued, Grant, OpenCounts, OpenJob};
use orch_dispatch::command::{Command, Completion, KeyUse, NewJob, Read};

use super::{Judged, Model, ensure};

const TOLD: &str = "3: what was told is in the ledger";
const FENCE: &str = "4: a stale fence changes nothing";
const AGAIN: &str = "5: completion is idempotent";
const KEYS: &str = "2: one job a key";
const TRUE: &str = "a refusal is true";

impl Model {
    /// Judges one answer. `delivered_at` is the owner's time at which the call reached it.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn judge(&mut self, command: &Command, answer: &Answer, delivered_at: Timestamp) -> Judged {
        match (command, answer) {
            (Command::Enqueue { tenant, jobs, key }, answer) => self.judge_enqueue(*tenant, jobs, *key, answer),
            (Command::FollowUps { token, .. }, Answer::Refused(refusal)) if refusal.code == Code::StaleLease => {
                self.judge_stale(*token)
            }
            (Command::FollowUps { token, jobs, key, .. }, answer) => {
                self.heard(*token);
                self.judge_enqueue(token.tenant, jobs, *key, answer)
            }
            (Command::Claim(params), Answer::Claimed(grants)) => {
                self.saw(if grants.is_empty() { "claim answered empty" } else { "claim answered" });
                ensure(grants.len() <= params.max || params.max == 0, TOLD, || {
                    "more grants than asked for".to_owned()
                })?;
                grants.iter().try_for_each(|grant| self.judge_grant(grant))
            }
            (Command::Claim(params), Answer::Refused(refusal)) => {
                ensure(refusal.code == Code::UnknownSession, TRUE, || format!("claim of {}: {refusal}", params.session))
            }
            (Command::Heartbeat { beats, .. }, Answer::Beats { leases, .. }) => {
                for (beat, answer) in beats.iter().zip(leases) {
                    self.judge_beat(beat.token, *answer, delivered_at)?;
                }
                Ok(())
            }
            (Command::Complete { completions, .. }, Answer::Completed(answers)) => {
                for (completion, answer) in completions.iter().zip(answers) {
                    self.judge_completion(completion, answer)?;
                }
                Ok(())
            }
            (Command::Ack { tokens, .. } | Command::Release { tokens, .. }, Answer::Items(answers)) => {
                for (token, answer) in tokens.iter().zip(answers) {
                    match answer {
                        Ok(()) => self.judge_taken(*token)?,
                        Err(_) => self.judge_stale(*token)?,
                    }
                }
                Ok(())
            }
            (
                Command::Log { token, .. } | Command::Upstream { token, .. } | Command::CheckLease { token, .. },
                answer,
            ) => match answer {
                // A question is no sign of life.
                Answer::Done if matches!(command, Command::CheckLease { .. }) => self.judge_known(*token),
                Answer::Done => self.judge_taken(*token),
                _ => self.judge_stale(*token),
            },
            (Command::Cancel { tenant, job, .. }, answer) => self.judge_cancel(*tenant, *job, answer),
            (Command::Reprioritize { tenant, job, .. }, answer) => self.judge_reprioritized(*tenant, *job, answer),
            (Command::Retry { tenant, job, .. }, answer) => self.judge_retry(*tenant, *job, answer),
            (
                Command::ReplayDeadLetter { tenant, job, .. } | Command::DiscardDeadLetter { tenant, job, .. },
                answer,
            ) => self.judge_settled(*tenant, *job, answer),
            (Command::PutConfig { tenant, doc, .. }, Answer::Config { version, .. }) => {
                let key = (doc.kind(), doc.name().to_owned());
                let now = self.tenants.get(tenant).and_then(|tenant| {
                    // The same commit may hold its end as well.
                    tenant.configs.get(&key).map(|(_, now, _)| *now).or(tenant.gone.get(&key).copied())
                });
                ensure(now.is_some_and(|now| now >= *version), TOLD, || format!("version {version} of {}", doc.name()))
            }
            (Command::PutWatermark { tenant, source, axis, .. }, Answer::Config { version, .. }) => {
                let now = self.tenants.get(tenant).map_or(0, |tenant| tenant.watermark(source, *axis).version);
                ensure(now >= *version, TOLD, || format!("version {version} of the watermark of {source}"))
            }
            (Command::Read(read), answer) => self.judge_read(read, answer),
            _ => Ok(()),
        }
    }

    /// True when the ledger held it before the last commit.
    fn settled_before(&self, commit: u64) -> bool {
        commit < self.commit
    }

    fn judge_enqueue(&mut self, tenant: TenantNo, jobs: &[NewJob], key: Option<KeyUse>, answer: &Answer) -> Judged {
        match answer {
            Answer::Enqueued(found) => {
                ensure(found.len() == jobs.len(), TOLD, || format!("{} answers for {} jobs", found.len(), jobs.len()))?;
                for (job, found) in jobs.iter().zip(found) {
                    self.judge_accepted(tenant, job, key, found)?;
                }
                Ok(())
            }
            Answer::Refused(refusal) => self.judge_refused(tenant, jobs, key, refusal),
            _ => Ok(()),
        }
    }

    fn judge_accepted(&mut self, tenant: TenantNo, job: &NewJob, key: Option<KeyUse>, found: &Enqueued) -> Judged {
        if found.canceled {
            let ended = self.job(tenant, found.id).is_some_and(|job| job.state == JobState::Canceled);
            ensure(ended, TOLD, || format!("{} was called canceled and is not", found.id))?;
        }
        ensure(self.job(tenant, found.id).is_some(), TOLD, || {
            format!("{} was acknowledged and is not there", found.id)
        })?;
        let of_key = |used: KeyUse| {
            self.tenants.get(&tenant).and_then(|t| t.keys.get(&used.key)).filter(|(_, f, _, _)| *f == used.fingerprint)
        };
        for used in [key, job.key].into_iter().flatten() {
            let whole = key.is_some() && Some(used) == key;
            let kept = of_key(used).is_some_and(|(jobs, _, _, _)| jobs.contains(&found.id));
            // A whole call that was replayed answers for its items: their own keys were looked at the first time.
            ensure(kept || (!whole && found.replayed && key.is_some()), KEYS, || {
                format!("{} is not what its key keeps", found.id)
            })?;
        }
        if found.replayed {
            self.saw("key replayed");
            ensure(key.is_some() || job.key.is_some(), KEYS, || format!("{} was replayed without a key", found.id))
        } else {
            ensure(found.id == job.id, TOLD, || format!("{} was made as {}", job.id, found.id))
        }
    }

    fn judge_refused(&mut self, tenant: TenantNo, jobs: &[NewJob], key: Option<KeyUse>, refusal: &Refusal) -> Judged {
        self.saw("enqueue refused");
        let Some(t) = self.tenants.get(&tenant) else { return Ok(()) };
        let there = |id: JobId| t.jobs.get(&id).is_some_and(|job| self.settled_before(job.commit));
        let true_ = match refusal.code {
            Code::UnknownDependency => {
                let in_call = |id: JobId| jobs.iter().any(|job| job.id == id);
                jobs.iter().flat_map(|job| &job.depends_on).any(|edge| !in_call(edge.job) && !there(edge.job))
            }
            Code::IdConflict => {
                jobs.iter().any(|job| t.jobs.contains_key(&job.id)) || twice(jobs.iter().map(|job| job.id))
            }
            Code::IdempotencyMismatch => {
                let keys = || jobs.iter().filter_map(|job| job.key).chain(key);
                let other =
                    |used: KeyUse| t.keys.get(&used.key).is_some_and(|(_, print, _, _)| *print != used.fingerprint);
                keys().any(other) || twice(jobs.iter().filter_map(|job| job.key).map(|used| used.key))
            }
            Code::UnknownJobType => jobs.iter().any(|job| t.job_type(&job.lane.job_type).is_none()),
            Code::UnknownSource => {
                jobs.iter().any(|job| job.lane.source.as_deref().is_some_and(|name| t.source(name).is_none()))
            }
            Code::BacklogFull => {
                self.saw("a backlog was full");
                true
            }
            Code::DependencyCycle | Code::TimeOutOfRange | Code::UnknownProject => true,
            _ => false,
        };
        ensure(true_, TRUE, || format!("enqueue refused: {:?} {refusal}", refusal.code))?;
        if refusal.code == Code::IdempotencyMismatch {
            self.saw("key mismatch refused");
        }
        Ok(())
    }

    fn judge_grant(&mut self, grant: &Grant) -> Judged {
        let token = grant.token;
        let Some(job) = self.tenants.get_mut(&token.tenant).and_then(|t| t.jobs.get_mut(&token.job)) else {
            return ensure(false, TOLD, || format!("{} was granted and is not there", token.job));
        };
        let granted = job.current(token).is_some() || job.end_of(token).is_some();
        ensure(granted, TOLD, || format!("{token} is not in the ledger"))?;
        if job.current(token).is_some()
            && let Some(lease) = &mut job.lease
        {
            lease.told_until = lease.told_until.max(grant.until);
        }
        if let (Some(carried), Some(asked)) = (&grant.carried, self.log.asked(token.tenant, token.job)) {
            let same = carried.payload == asked.job.payload;
            ensure(same, TOLD, || format!("{} carries another payload", token.job))?;
        }
        Ok(())
    }

    fn judge_beat(&mut self, token: Token, answer: BeatAnswer, delivered_at: Timestamp) -> Judged {
        let key = (token.tenant, token.job, token.attempt);
        let until = match answer {
            BeatAnswer::Lost => {
                self.clock.told(key, None, delivered_at);
                return self.judge_stale(token);
            }
            BeatAnswer::Continue(until) => Some(until),
            BeatAnswer::Cancel(_) => None,
        };
        let job = self.job(token.tenant, token.job);
        let known = job.is_some_and(|job| {
            job.current(token).is_some() || (job.end_of(token).is_some() && !self.settled_before(job.state_commit))
        });
        ensure(known, FENCE, || format!("a heartbeat of {token} was answered, its lease is over"))?;
        if let BeatAnswer::Cancel(grace) = answer {
            let asked = job.is_some_and(|job| job.cancel == Some(grace));
            ensure(asked, TOLD, || format!("a worker was told of a cancel of {} that is not there", token.job))?;
        }
        // A canceling lease is extended too; how far, its worker is not told.
        let extended = until.or_else(|| {
            let tenant = self.tenants.get(&token.tenant)?;
            let name = &tenant.lane(job?.lane)?.key.job_type;
            Some(self.time.max(delivered_at).plus_ms(*tenant.lease_ms_most.get(name)?))
        });
        self.clock.told(key, extended, delivered_at);
        if let Some(lease) = self
            .tenants
            .get_mut(&token.tenant)
            .and_then(|t| t.jobs.get_mut(&token.job))
            .filter(|job| job.current(token).is_some())
            .and_then(|job| job.lease.as_mut())
        {
            lease.told_heard = true;
            let until = until.unwrap_or_default();
            lease.told_until = lease.told_until.max(until);
            lease.told_ms = lease.told_ms.max(until.ms_since(delivered_at));
        }
        Ok(())
    }

    fn heard(&mut self, token: Token) {
        let job = self.tenants.get_mut(&token.tenant).and_then(|t| t.jobs.get_mut(&token.job));
        if let Some(lease) = job.filter(|job| job.current(token).is_some()).and_then(|job| job.lease.as_mut()) {
            lease.told_heard = true;
        }
    }

    /// A report was taken: its attempt was current in this commit at the earliest end.
    fn judge_taken(&mut self, token: Token) -> Judged {
        self.heard(token);
        self.judge_known(token)
    }

    fn judge_known(&self, token: Token) -> Judged {
        let job = self.job(token.tenant, token.job);
        let known = job.is_some_and(|job| job.current(token).is_some() || job.end_of(token).is_some());
        ensure(known, FENCE, || format!("a report of {token} was taken, which was never granted"))?;
        let stale = job.is_some_and(|job| job.current(token).is_none() && self.settled_before(job.state_commit));
        ensure(!stale, FENCE, || format!("a report of {token} was taken, its lease is over"))
    }

    /// A lease was called stale: it is not current. A token that was guessed may have been granted since, in the same
    /// commit.
    fn judge_stale(&mut self, token: Token) -> Judged {
        let job = self.job(token.tenant, token.job);
        let current = job.is_some_and(|job| job.current(token).is_some() && self.settled_before(job.state_commit));
        ensure(!current, FENCE, || format!("{token} was called stale and is current"))?;
        if job.and_then(|job| job.end_of(token)).is_some_and(|end| end.outcome == Some(AttemptOutcome::Lost)) {
            self.saw("race: a report after its lease was lost");
        }
        Ok(())
    }

    fn judge_completion(&mut self, completion: &Completion, answer: &Result<Vec<JobId>, Refusal>) -> Judged {
        let token = completion.token;
        let end = self.job(token.tenant, token.job).and_then(|job| job.end_of(token).cloned());
        let ours = end.as_ref().is_some_and(|end| end.report == Some(completion.fingerprint));
        match answer {
            Ok(follow_ups) => {
                ensure(ours, TOLD, || format!("the completion of {token} was taken and is not in the ledger"))?;
                self.first_answer(completion.fingerprint, follow_ups)?;
                if let Some(advance) = &completion.watermark {
                    self.judge_advanced(token, advance)?;
                }
                for id in follow_ups {
                    ensure(self.job(token.tenant, *id).is_some(), TOLD, || format!("follow-up {id} is not there"))?;
                }
                Ok(())
            }
            Err(refusal) if refusal.code == Code::CompletionConflict => {
                self.saw("completion conflict");
                let other = end.is_some_and(|end| end.report.is_some() && end.report != Some(completion.fingerprint));
                ensure(other, AGAIN, || format!("{token}: a conflict with nothing"))
            }
            Err(refusal) if refusal.code == Code::StaleLease => {
                self.judge_stale(token)?;
                // A later attempt's end may have taken the place of this one's.
                let last = self
                    .job(token.tenant, token.job)
                    .and_then(|job| job.ends.last())
                    .map(|end| (end.epoch, end.attempt));
                let forgotten = last != Some((token.epoch, token.attempt));
                let reported = end.is_some_and(|end| end.report.is_some());
                ensure(forgotten || !reported, AGAIN, || format!("the same completion of {token} was refused: {ours}"))
            }
            Err(refusal) if refusal.code == Code::WatermarkConflict => {
                self.judge_watermark_conflict(token, completion.watermark.as_deref())
            }
            Err(refusal) => self.judge_refused(token.tenant, &completion.follow_ups, None, refusal),
        }
    }

    /// The same completion gets the same answer.
    fn first_answer(&mut self, fingerprint: [u8; 16], follow_ups: &[JobId]) -> Judged {
        match self.log.answers.get(&fingerprint).cloned() {
            None => {
                self.log.answers.insert(fingerprint, follow_ups.to_vec());
                Ok(())
            }
            Some(first) => {
                self.saw("duplicate completion");
                ensure(first == follow_ups, AGAIN, || format!("answered {first:?} first and {follow_ups:?} then"))
            }
        }
    }

    fn judge_cancel(&mut self, tenant: TenantNo, id: JobId, answer: &Answer) -> Judged {
        let job = self.job(tenant, id);
        match answer {
            Answer::Canceled { requested: true, .. } => {
                ensure(job.is_some_and(|job| job.cancel.is_some()), TOLD, || format!("the cancel of {id} is not there"))
            }
            Answer::Canceled { requested: false, .. } => {
                ensure(job.is_some_and(|job| job.state == JobState::Canceled), TOLD, || format!("{id} is not canceled"))
            }
            Answer::Refused(refusal) if refusal.code == Code::NotFound => {
                let there = job.is_some_and(|job| self.settled_before(job.commit));
                ensure(!there, TRUE, || format!("{id} is there: {refusal}"))
            }
            Answer::Refused(refusal) => {
                let ended = job.is_some_and(|job| job.state.is_final() && job.state != JobState::Canceled);
                ensure(ended, TRUE, || format!("cancel of {id}: {refusal}"))
            }
            _ => Ok(()),
        }
    }

    fn judge_reprioritized(&mut self, tenant: TenantNo, id: JobId, answer: &Answer) -> Judged {
        let job = self.job(tenant, id);
        match answer {
            Answer::Done => ensure(job.is_some(), TOLD, || format!("{id} has another priority and is not there")),
            Answer::Refused(refusal) if refusal.code == Code::NotFound => {
                let there = job.is_some_and(|job| self.settled_before(job.commit));
                ensure(!there, TRUE, || format!("{id} is there: {refusal}"))
            }
            Answer::Refused(refusal) => {
                let ended = job.is_some_and(|job| job.state.is_final());
                ensure(ended, TRUE, || format!("another priority for {id}: {refusal}"))
            }
            _ => Ok(()),
        }
    }

    fn judge_retry(&mut self, tenant: TenantNo, id: JobId, answer: &Answer) -> Judged {
        let job = self.job(tenant, id);
        match answer {
            Answer::Again(new) => {
                let made = self
                    .job(tenant, *new)
                    .is_some_and(|new_job| *new == id || new_job.origin.is_some_and(|origin| origin.of == id));
                ensure(made, TOLD, || format!("{id} again as {new}, which is not there"))
            }
            Answer::Refused(refusal) if refusal.code == Code::NotFound => {
                let there = job.is_some_and(|job| self.settled_before(job.commit));
                ensure(!there, TRUE, || format!("{id} is there: {refusal}"))
            }
            Answer::Refused(refusal) if refusal.code == Code::StateConflict => {
                let may = |state: JobState| state.is_final() || state == JobState::Scheduled;
                let wrong = job.is_some_and(|job| may(job.state) && self.settled_before(job.state_commit));
                ensure(!wrong, TRUE, || format!("retry of {id}: {refusal}"))
            }
            _ => Ok(()),
        }
    }

    fn judge_settled(&mut self, tenant: TenantNo, id: JobId, answer: &Answer) -> Judged {
        let job = self.job(tenant, id);
        let open = job
            .is_some_and(|job| job.state == JobState::Failed && !job.settled && self.settled_before(job.state_commit));
        match answer {
            Answer::Done | Answer::Again(_) => {
                ensure(job.is_some_and(|job| job.settled), TOLD, || format!("dead letter of {id}"))
            }
            Answer::Refused(refusal) if refusal.code == Code::Overloaded => Ok(()),
            Answer::Refused(refusal) => ensure(!open, TRUE, || format!("dead letter of {id}: {refusal}")),
            _ => Ok(()),
        }
    }

    fn judge_read(&mut self, read: &Read, answer: &Answer) -> Judged {
        match (read, answer) {
            (Read::Jobs { tenant, ids }, Answer::Jobs(found)) => {
                for (id, found) in ids.iter().zip(found) {
                    self.judge_seen(*tenant, *id, found.as_ref())?;
                }
                Ok(())
            }
            (Read::OpenJobs { tenant, .. }, Answer::OpenJobs(found)) => {
                found.iter().try_for_each(|job| self.judge_seen(*tenant, job.id, Some(job)))
            }
            (Read::Watermarks { tenant, .. }, Answer::Watermarks(found)) => self.judge_watermarks(*tenant, found),
            (Read::WorkersWanted { tenant, .. }, Answer::WorkersWanted(found)) => self.judge_wanted(*tenant, found),
            (Read::Summary(tenant), Answer::Summary(counts)) => self.judge_summary(*tenant, *counts),
            _ => Ok(()),
        }
    }

    fn judge_seen(&self, tenant: TenantNo, id: JobId, found: Option<&OpenJob>) -> Judged {
        let job = self.job(tenant, id);
        let Some(found) = found else {
            let held = |state: JobState| {
                matches!(state, JobState::Blocked | JobState::Scheduled | JobState::Leased | JobState::Running)
            };
            let wrong = job.is_some_and(|job| held(job.state) && self.settled_before(job.state_commit));
            return ensure(!wrong, TRUE, || format!("{id} is open and was not shown"));
        };
        let at = job.and_then(|job| job.states.iter().rev().find(|(seq, _)| *seq <= found.last_seq));
        let shown =
            at.is_some_and(|(_, state)| *state == found.state) && job.is_some_and(|job| found.last_seq <= job.last_seq);
        ensure(shown, TOLD, || {
            format!("{id} was shown {:?} at {}, the ledger says {at:?}", found.state, found.last_seq)
        })
    }

    fn judge_summary(&self, no: TenantNo, counts: OpenCounts) -> Judged {
        let Some(tenant) = self.tenants.get(&no).filter(|tenant| self.settled_before(tenant.commit)) else {
            return Ok(());
        };
        let of = |state: JobState| tenant.jobs.values().filter(|job| job.state == state).count() as u64;
        let real = OpenCounts {
            blocked: of(JobState::Blocked),
            scheduled: of(JobState::Scheduled),
            ready: of(JobState::Ready),
            leased: of(JobState::Leased),
            running: of(JobState::Running),
        };
        ensure(real == counts, TOLD, || format!("counts {counts:?}, the ledger says {real:?}"))
    }
}

fn twice<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    !items.into_iter().all(|item| seen.insert(item))
}
