//! The callers' log: what was asked, as the callers know it. Written when a call begins, answered or not.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use orch_core::allotment::Allotment;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::PauseTarget;
use orch_core::ids::{ClaimId, JobId, SessionId, TenantNo, TokenId};
use orch_core::job::Priority;
use orch_core::lease::Token;
use orch_core::watermark::{Advance, Axis, Watermark};
use orch_dispatch::command::{ClaimParams, Command, Completion, KeyUse, NewJob, Report, SessionParams};

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Success.
    Succeeded,
    /// An error that may be tried again.
    Retryable,
    /// An error that may not.
    Permanent,
    /// Stopped because of a cancel.
    Canceled,
}

/// A job that somebody asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// For whom.
    pub tenant: TenantNo,
    /// Which sending of which call.
    pub call: u64,
    /// The key of the whole call.
    pub call_key: Option<KeyUse>,
    /// The job.
    pub job: NewJob,
}

/// What callers asked.
#[derive(Debug, Default)]
pub struct CallLog {
    /// Jobs, by the id of this sending.
    pub jobs: BTreeMap<JobId, Vec<Asked>>,
    /// Reports, by fingerprint.
    pub reports: BTreeMap<[u8; 16], (Token, Said)>,
    /// Claims.
    pub claims: BTreeMap<ClaimId, ClaimParams>,
    /// Sessions.
    pub sessions: BTreeMap<SessionId, SessionParams>,
    /// Follow-ups of completions, and the job that each completes.
    pub completes: BTreeMap<JobId, JobId>,
    /// Priorities of targets (true) and their ends.
    pub precedences: BTreeSet<(TenantNo, PauseTarget, bool)>,
    /// Priorities of jobs that were asked for.
    pub priorities: BTreeSet<(TenantNo, JobId, Priority)>,
    /// Cancels.
    pub cancels: BTreeSet<(TenantNo, JobId)>,
    /// "Again": new id → old job.
    pub again: BTreeMap<JobId, (TenantNo, JobId)>,
    /// Dead letters that somebody wanted settled.
    pub settles: BTreeSet<(TenantNo, JobId)>,
    /// "Now".
    pub retries: BTreeSet<(TenantNo, JobId)>,
    /// Releases.
    pub releases: HashSet<Token>,
    /// Acks.
    pub acks: HashSet<Token>,
    /// Documents.
    pub configs: Vec<(TenantNo, ConfigDoc)>,
    /// Throttles (true) and their ends.
    pub throttles: BTreeSet<(TenantNo, PauseTarget, bool)>,
    /// Pauses (true) and resumes.
    pub pauses: BTreeSet<(TenantNo, PauseTarget, bool)>,
    /// What was to be allotted.
    pub allotments: Vec<(TenantNo, Allotment)>,
    /// Marks for deletion (true) and restores.
    pub marks: BTreeSet<(TenantNo, bool)>,
    /// The first answer to each report that was taken.
    pub answers: BTreeMap<[u8; 16], Vec<JobId>>,
    /// Tokens made.
    pub tokens: BTreeSet<TokenId>,
    /// Jobs of whose requests an upstream said something.
    pub upstreams: BTreeSet<(TenantNo, JobId)>,
    /// Declared things that were to be deleted.
    pub deleted: BTreeSet<(TenantNo, ConfigKind, String)>,
    /// Jobs that submitters asked for; workers' follow-ups are not among them.
    pub submitted: HashSet<JobId>,
    /// Buckets that were reset.
    pub resets: BTreeSet<(TenantNo, String)>,
    /// Schedules that were paused (true) or resumed.
    pub schedule_pauses: BTreeSet<(TenantNo, String, bool)>,
    /// What each attempt's reports say of watermarks.
    pub advances: BTreeMap<(TenantNo, JobId, u32), Vec<Advance>>,
    /// Where operators wanted watermarks.
    pub watermarks: BTreeMap<(TenantNo, String, Axis), Vec<Watermark>>,
    /// Breakers that were tripped (true) or reset.
    pub trips: BTreeSet<(TenantNo, String, bool)>,
}

impl CallLog {
    /// A call begins.
    pub fn begin(&mut self, call: u64, command: &Command) {
        match command {
            Command::Enqueue { tenant, jobs, key } => {
                self.submitted.extend(jobs.iter().map(|job| job.id));
                self.jobs(call, *tenant, jobs, *key);
            }
            Command::DeleteConfig { tenant, kind, name, .. } => {
                self.deleted.insert((*tenant, *kind, name.clone()));
            }
            Command::FollowUps { token, jobs, key, .. } => self.jobs(call, token.tenant, jobs, *key),
            Command::Complete { completions, .. } => {
                for completion in completions {
                    let job = completion.token.job;
                    self.completes.extend(completion.follow_ups.iter().map(|follow_up| (follow_up.id, job)));
                    self.jobs(call, completion.token.tenant, &completion.follow_ups, None);
                    if let Some(advance) = &completion.watermark {
                        let of = (completion.token.tenant, job, completion.token.attempt);
                        self.advances.entry(of).or_default().push((**advance).clone());
                    }
                    if !completion.took.is_empty() {
                        self.upstreams.insert((completion.token.tenant, completion.token.job));
                    }
                    self.reports.insert(completion.fingerprint, (completion.token, said(completion)));
                }
            }
            Command::OpenSession(params) => {
                self.sessions.insert(params.session, params.clone());
            }
            Command::Claim(params) => {
                self.claims.insert(params.claim, params.clone());
            }
            Command::Ack { tokens, .. } => self.acks.extend(tokens.iter().copied()),
            Command::Release { tokens, .. } => self.releases.extend(tokens.iter().copied()),
            Command::Cancel { tenant, job, .. } => {
                self.cancels.insert((*tenant, *job));
            }
            Command::Reprioritize { tenant, job, priority, .. } => {
                self.priorities.insert((*tenant, *job, *priority));
            }
            Command::Retry { tenant, job, new_id, .. } => {
                self.again.insert(*new_id, (*tenant, *job));
                self.retries.insert((*tenant, *job));
            }
            Command::ReplayDeadLetter { tenant, job, new_id, .. } => {
                self.again.insert(*new_id, (*tenant, *job));
                self.settles.insert((*tenant, *job));
            }
            Command::DiscardDeadLetter { tenant, job, .. } => {
                self.settles.insert((*tenant, *job));
            }
            Command::PutConfig { tenant, doc, .. } => self.configs.push((*tenant, doc.clone())),
            Command::Pause { tenant, target, .. } => {
                self.pauses.insert((*tenant, target.clone(), true));
            }
            Command::Resume { tenant, target, .. } => {
                self.pauses.insert((*tenant, target.clone(), false));
            }
            Command::Throttle { tenant, target, .. } => {
                self.throttles.insert((*tenant, target.clone(), true));
            }
            Command::Prioritize { tenant, target, .. } => {
                self.precedences.insert((*tenant, target.clone(), true));
            }
            Command::EndPriority { tenant, target, .. } => {
                self.precedences.insert((*tenant, target.clone(), false));
            }
            Command::EndThrottle { tenant, target, .. } => {
                self.throttles.insert((*tenant, target.clone(), false));
            }
            Command::PutWatermark { tenant, source, axis, watermark, .. } => {
                self.watermarks.entry((*tenant, source.clone(), *axis)).or_default().push(watermark.clone());
            }
            Command::AllotTenant { tenant, allotment, .. } => self.allotments.push((*tenant, *allotment)),
            Command::MarkTenant { tenant, .. } => {
                self.marks.insert((*tenant, true));
            }
            Command::RestoreTenant { tenant, .. } => {
                self.marks.insert((*tenant, false));
            }
            Command::CreateToken(row) => {
                self.tokens.insert(row.id);
            }
            Command::Upstream { token, .. } => {
                self.upstreams.insert((token.tenant, token.job));
            }
            Command::ResetBucket { tenant, bucket, .. } => {
                self.resets.insert((*tenant, bucket.clone()));
            }
            Command::PauseSchedule { tenant, schedule, pause, .. } => {
                self.schedule_pauses.insert((*tenant, schedule.clone(), *pause));
            }
            Command::TripBreaker { tenant, breaker, .. } => {
                self.trips.insert((*tenant, breaker.clone(), true));
            }
            Command::ResetBreaker { tenant, breaker, .. } => {
                self.trips.insert((*tenant, breaker.clone(), false));
            }
            _ => {}
        }
    }

    fn jobs(&mut self, call: u64, tenant: TenantNo, jobs: &[NewJob], call_key: Option<KeyUse>) {
        for job in jobs {
            let asked = Asked { tenant, call, call_key, job: job.clone() };
            self.jobs.entry(job.id).or_default().push(asked);
        }
    }

    /// Were the two asked for in one call?
    #[must_use]
    pub fn together(&self, a: JobId, b: JobId) -> bool {
        let calls = |id| self.jobs.get(id).into_iter().flatten().map(|asked: &Asked| asked.call);
        calls(&a).any(|call| calls(&b).any(|other| other == call))
    }

    /// A job as somebody asked for it.
    #[must_use]
    pub fn asked(&self, tenant: TenantNo, id: JobId) -> Option<&Asked> {
        self.jobs.get(&id)?.iter().find(|asked| asked.tenant == tenant)
    }
}

fn said(completion: &Completion) -> Said {
    match &completion.outcome {
        Report::Succeeded { .. } => Said::Succeeded,
        Report::Failed(error) if error.retryable => Said::Retryable,
        Report::Failed(_) => Said::Permanent,
        Report::Canceled => Said::Canceled,
    }
}
