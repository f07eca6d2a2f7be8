//! What operators and submitters ask: cancel, again, dead letters, pauses, declared things, tenants, tokens.

use orch_core::config::{ConfigDoc, ConfigKind, check_connector};
use orch_core::fact::{EndCause, Fact, PauseTarget, ReadyCause, Settlement};
use orch_core::ids::{JobId, LaneNo};
use orch_core::job::{JobState, Origin, OriginKind, Priority};
use orch_core::port::{ConfigRow, JobExtra, JobFound, SettlementRow, TokenRow};
use orch_core::refusal::{Code, Refusal};

use crate::answer::Answer;
use crate::command::{Actor, Expect, KeyUse, NewJob};
use crate::decide::Desk;
use crate::mutant::{self, Mutant};
use crate::warm::WarmJob;

/// What is to be paused or throttled is not there.
pub(crate) fn nothing_there() -> Refusal {
    Refusal::field(Code::NotFound, "target", "there is nothing of that name")
}

pub(crate) fn other_version(version: u64, wanted: u64) -> Refusal {
    Refusal::new(Code::VersionConflict, format!("the current version is {version}, not {wanted}"))
}

pub(crate) fn no_job(id: JobId) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no job {id}"))
}

impl Desk<'_> {
    /// A job that memory does not hold for good: fresh, or final.
    pub fn cold(&self, id: JobId) -> Option<WarmJob> {
        self.tenant.warm.job(id).or_else(|| {
            let found = self.prepared.jobs.get(&id)?;
            let (lane, settled) = (found.done.as_ref().map_or(found.job.lane, |done| done.lane), found.settled);
            Some(match &found.done {
                None => WarmJob {
                    state: JobState::Ready,
                    lane,
                    seq: found.job.seq,
                    attempt: 0,
                    epoch: 0,
                    report: None,
                    settled,
                },
                Some(done) => WarmJob {
                    state: done.state,
                    lane,
                    seq: done.seq,
                    attempt: done.attempt,
                    epoch: done.epoch,
                    report: done.report,
                    settled,
                },
            })
        })
    }

    /// The command `Cancel`.
    pub fn cancel(&mut self, id: JobId, actor: Actor) -> Answer {
        if let Some(job) = self.tenant.jobs.get(&id) {
            let (prev, lane) = (job.last_seq, job.lane);
            let Some(lease) = &job.lease else {
                self.finish(id, JobState::Canceled, EndCause::Canceled, None, None, None);
                self.settle();
                return Answer::Canceled { state: JobState::Canceled, requested: false };
            };
            let state = job.state;
            if lease.grace_until.is_none() {
                self.request_cancel(id, lane, prev, actor);
            }
            return Answer::Canceled { state, requested: true };
        }
        match self.cold(id) {
            None => Answer::Refused(no_job(id)),
            Some(cold) if cold.state == JobState::Ready || mutant::on(Mutant::FinalNotFinal) => {
                self.cancel_fresh(id, cold.lane, cold.seq, EndCause::Canceled, None);
                Answer::Canceled { state: JobState::Canceled, requested: false }
            }
            Some(cold) if cold.state == JobState::Canceled => {
                Answer::Canceled { state: JobState::Canceled, requested: false }
            }
            Some(cold) => Answer::Refused(Refusal::new(
                Code::StateConflict,
                format!("the job is {} already", cold.state.as_str()),
            )),
        }
    }

    /// Asks the worker of a job that is handed out to stop.
    pub fn request_cancel(&mut self, job: JobId, lane: LaneNo, prev: u64, Actor { by, reason }: Actor) {
        let grace_until = self.at.now.plus_ms(self.tenant.policy(lane).cancel_grace_ms);
        self.emit(Fact::CancelRequested { by, grace_until, job, prev, reason });
    }

    /// The command `Retry`.
    pub fn retry(&mut self, id: JobId, new_id: JobId, key: Option<KeyUse>) -> Answer {
        match self.key_replay(key, "Idempotency-Key") {
            Err(refusal) => return Answer::Refused(refusal),
            Ok(Some(ids)) => return ids.first().map_or(Answer::Done, |id| Answer::Again(*id)),
            Ok(None) => {}
        }
        if let Some(job) = self.tenant.jobs.get(&id) {
            if job.state != JobState::Scheduled {
                let detail =
                    format!("the job is {}; only a waiting or a final one can be tried again", job.state.as_str());
                return Answer::Refused(Refusal::new(Code::StateConflict, detail));
            }
            let prev = job.last_seq;
            self.emit(Fact::JobReady { cause: ReadyCause::Asked, job: id, prev });
            self.key_use(key, &[id]);
            return Answer::Again(id);
        }
        match self.cold(id).map(|cold| cold.state) {
            None => Answer::Refused(no_job(id)),
            Some(JobState::Ready) => {
                Answer::Refused(Refusal::new(Code::StateConflict, "the job waits in its lane already"))
            }
            Some(_) => self.again(id, new_id, OriginKind::Retry, key),
        }
    }

    /// The command `Replay`: whatever a final job came to, its work is done once more, before others.
    pub fn replay(&mut self, id: JobId, new_id: JobId, key: Option<KeyUse>) -> Answer {
        match self.key_replay(key, "Idempotency-Key") {
            Err(refusal) => return Answer::Refused(refusal),
            Ok(Some(ids)) => return ids.first().map_or(Answer::Done, |id| Answer::Again(*id)),
            Ok(None) => {}
        }
        let open = self.tenant.jobs.get(&id).map(|job| job.state);
        match open.or_else(|| self.cold(id).map(|cold| cold.state)) {
            None => Answer::Refused(no_job(id)),
            Some(state) if state.is_final() => self.again(id, new_id, OriginKind::Replay, key),
            Some(state) => {
                let detail = format!("the job is {}; only a final one can be replayed", state.as_str());
                Answer::Refused(Refusal::new(Code::StateConflict, detail))
            }
        }
    }

    /// Makes a new job of a final one. Its spec was prepared.
    fn again(&mut self, id: JobId, new_id: JobId, kind: OriginKind, key: Option<KeyUse>) -> Answer {
        let Some(found) = self.prepared.jobs.get(&id) else {
            return Answer::Refused(Refusal::new(Code::Overloaded, "the job ended just now: ask again"));
        };
        let job = self.copy_of(found, new_id, kind);
        match self.try_enqueue(vec![job], None, "job") {
            Ok(_) => {
                self.key_use(key, &[new_id]);
                Answer::Again(new_id)
            }
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// The same work as a new job: no dependencies, moments or deadline, which belong to the past.
    fn copy_of(&self, found: &JobFound, new_id: JobId, kind: OriginKind) -> NewJob {
        let extra: JobExtra =
            found.job.extra.as_ref().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default();
        let mut lane = self.tenant.lane(found.done.as_ref().map_or(found.job.lane, |done| done.lane)).key.clone();
        if kind == OriginKind::Replay {
            lane.priority = lane.priority.min(Priority::High);
        }
        NewJob {
            id: new_id,
            id_given: false,
            key: None,
            lane,
            payload: found.job.payload.clone(),
            payload_sha256: orch_core::job::sha256_hex(&found.job.payload),
            misfit: None,
            labels: extra.labels,
            not_before: None,
            deadline: None,
            depends_on: Vec::new(),
            correlation_id: extra.correlation_id,
            origin: Some(Origin { kind, of: found.job.id }),
            firing: None,
            part: None,
            window: None,
        }
    }

    /// The commands `ReplayDeadLetter` (with an id) and `DiscardDeadLetter` (without).
    pub fn settle_dead_letter(&mut self, id: JobId, new_id: Option<JobId>, actor: Actor) -> Answer {
        let Some(cold) = self.cold(id).filter(|cold| cold.state == JobState::Failed) else {
            return Answer::Refused(Refusal::new(Code::NotFound, format!("there is no dead letter of {id}")));
        };
        if cold.settled {
            return Answer::Refused(Refusal::new(Code::StateConflict, "the dead letter is settled already"));
        }
        let answer = match new_id {
            None => Answer::Done,
            Some(new_id) => match self.again(id, new_id, OriginKind::DeadLetter, None) {
                Answer::Refused(refusal) => return Answer::Refused(refusal),
                answer => answer,
            },
        };
        let how = new_id.map_or(Settlement::Discarded, Settlement::Replayed);
        self.emit(Fact::DeadLetterSettled { by: actor.by.clone(), how, job: id, reason: actor.reason.clone() });
        self.out.rows.settlements.push(SettlementRow {
            job: id,
            tenant: self.tenant.no,
            at: self.at.now,
            by: actor.by,
            reason: actor.reason,
            replayed_as: new_id,
        });
        self.tenant.warm.put_job(self.at.commit, id, WarmJob { settled: true, ..cold });
        answer
    }

    /// What can be paused or throttled is there.
    pub fn is_there(&self, target: &PauseTarget) -> bool {
        match target {
            PauseTarget::Tenant => true,
            PauseTarget::Source(name) => self.tenant.source(name).is_some(),
            PauseTarget::JobType(name) => self.tenant.job_type(name).is_some(),
            PauseTarget::Quota(name) => self.tenant.quota_doc(name).is_some(),
            PauseTarget::Lane(no) => no.0 > 0 && (no.0 as usize) <= self.tenant.lanes.len(),
        }
    }

    /// The commands `Pause` and `Resume`. Pausing what is paused, or resuming what is not, changes nothing.
    pub fn pause(&mut self, target: PauseTarget, actor: Actor, pause: bool) -> Answer {
        // The pause of a quota that is declared no more can end.
        let known = self.is_there(&target) || self.tenant.pauses.contains_key(&target);
        if !known {
            return Answer::Refused(nothing_there());
        }
        if self.tenant.pauses.contains_key(&target) != pause {
            let Actor { by, reason } = actor;
            self.emit(if pause { Fact::Paused { by, reason, target } } else { Fact::Resumed { by, reason, target } });
        }
        Answer::Done
    }

    /// The command `PutConfig`.
    pub fn put_config(&mut self, doc: ConfigDoc, expect: Expect) -> Answer {
        let (kind, name) = (doc.kind(), doc.name().to_owned());
        let current = self.tenant.config(kind, &name);
        let before = self.tenant.gone.get(&(kind, name.clone())).copied().unwrap_or(0);
        let version = current.as_ref().map_or(0, |found| found.version);
        match expect {
            Expect::Absent if version > 0 => {
                return Answer::Refused(Refusal::field(
                    Code::StateConflict,
                    "name",
                    format!("`{name}` exists already"),
                ));
            }
            Expect::Version(wanted) if wanted != version => return Answer::Refused(other_version(version, wanted)),
            _ => {}
        }
        let all = self.tenant.configs.values().map(|found| &found.doc);
        let stays = check_connector(&doc, current.as_ref().map(|found| &found.doc), all);
        let stays = stays.and_then(|()| crate::flight::is_own(self.tenant.no, &doc));
        let stays = stays.and_then(|()| self.schedule_fits(&doc)).and_then(|()| self.graph_fits(&doc));
        if let Err(refusal) = stays.and_then(|()| self.calendar_comes(&doc)) {
            return Answer::Refused(refusal);
        }
        if current.as_ref().is_some_and(|found| found.doc == doc) {
            return Answer::Config { version, created: false };
        }
        if kind == ConfigKind::Schedule {
            self.close_schedule(&name, Some(&doc));
        }
        let version = version.max(before) + 1;
        let json = serde_json::to_vec(&doc).expect("a document holds only strings, numbers and lists");
        let (tenant, at) = (self.tenant.no, self.at.now);
        self.out.rows.configs.push(ConfigRow { tenant, kind, name, version, at, doc: json.into() });
        self.emit(Fact::ConfigSet { doc, version });
        Answer::Config { version, created: current.is_none() }
    }

    /// The command `DeleteConfig`.
    pub fn delete_config(&mut self, kind: ConfigKind, name: String, expect: Expect, actor: Actor) -> Answer {
        let Some(found) = self.tenant.config(kind, &name) else {
            return Answer::Refused(Refusal::new(Code::NotFound, "there is nothing of this name"));
        };
        if let Expect::Version(wanted) = expect
            && wanted != found.version
        {
            return Answer::Refused(other_version(found.version, wanted));
        }
        match kind {
            ConfigKind::Schedule => self.close_schedule(&name, None),
            ConfigKind::Graph => {
                if let Err(refusal) = self.graph_is_free(&name) {
                    return Answer::Refused(refusal);
                }
            }
            _ => {}
        }
        let Actor { by, reason } = actor;
        let version = found.version + 1;
        let (tenant, at, doc) = (self.tenant.no, self.at.now, bytes::Bytes::from_static(b"null"));
        self.out.rows.configs.push(ConfigRow { tenant, kind, name: name.clone(), version, at, doc });
        self.emit(Fact::ConfigDeleted { by, kind, name, reason, version });
        Answer::Done
    }

    /// The command `CreateToken`.
    pub fn create_token(&mut self, row: TokenRow) -> Answer {
        let (name, scopes) = (row.name.clone(), row.scopes.clone());
        self.emit(Fact::TokenCreated { expires_at: row.expires_at, name, scopes, token: row.id });
        self.out.rows.tokens.push(row);
        Answer::Done
    }

    /// The command `RevokeToken`.
    pub fn revoke_token(&mut self, mut row: TokenRow) -> Answer {
        if row.revoked_at.is_none() {
            self.emit(Fact::TokenRevoked { token: row.id });
            row.revoked_at = Some(self.at.now);
            self.out.rows.tokens.push(row);
        }
        Answer::Done
    }
}
