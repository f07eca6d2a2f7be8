//! Judges each fact of a tenant by what its history and the callers' log allow, then takes it into the model.

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::fact::{EndCause, Fact, NextTry, PauseTarget, ReadyCause, Record, Settlement};
use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::job::{AttemptOutcome, DependsOn, JobState, LaneKey, Priority};
use orch_core::port::Append;
use orch_core::term::CutCause;
use orch_core::time::Timestamp;

use super::{
    AttemptEnd, Job, Judged, Lane, Lease, Model, Said, Tenant, Violation, blackouts, breakers, buckets, ensure,
    fairness, keys, quotas, run_times, schedules, throttles,
};

/// Has a parent ended in a way that makes the job pointless?
pub(super) fn doomed(tenant: &Tenant, job: &Job) -> bool {
    let unmet = |state: JobState| state.is_final() && state != JobState::Succeeded;
    job.depends_on.iter().any(|edge| edge.on == DependsOn::Succeeded && unmet(tenant.jobs[&edge.job].state))
}

fn open_parents(tenant: &Tenant, job: &Job) -> usize {
    job.depends_on.iter().filter(|edge| !tenant.jobs[&edge.job].state.is_final()).count()
}

/// The bytes of a report's fingerprint.
pub(super) fn fingerprint(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn bad(promise: &'static str, text: impl Into<String>) -> Violation {
    Violation { promise, text: text.into() }
}

const CHAIN: &str = "final is final";
const FENCE: &str = "4: one lease a job";
const ORDER: &str = "order in a lane";
const EDGES: &str = "edges count once";
const CAPS: &str = "6: attempts and caps";
const LIMITS: &str = "12: limits hold";
const PAUSED: &str = "paused is not granted";
const ROBBED: &str = "7: no live worker is robbed";
const ASKED: &str = "nothing unasked";
const CANCEL: &str = "a cancel holds";

impl Model {
    pub(super) fn tenant_fact(&mut self, no: TenantNo, record: &Record, append: &Append) -> Judged {
        match &record.body {
            Fact::TenantCreated { .. } => ensure(record.seq == 1, "facts", || "a tenant is born late".to_owned()),
            Fact::ConfigSet { doc, version } => self.config_set(no, doc, *version, record.at),
            Fact::ConfigDeleted { kind, name, version, .. } => {
                self.config_deleted(no, *kind, name, *version)?;
                if *kind == ConfigKind::Schedule {
                    schedules::deleted(self.tenants.entry(no).or_default(), name, record.at)?;
                }
                Ok(())
            }
            Fact::ScheduleSkipped { .. }
            | Fact::ScheduleBuffered { .. }
            | Fact::SchedulePaused { .. }
            | Fact::ScheduleResumed { .. } => self.schedule_fact(no, record),
            Fact::TokenCreated { token, .. } | Fact::TokenRevoked { token } => {
                ensure(self.log.tokens.contains(token), ASKED, || format!("token {token}"))
            }
            Fact::LaneOpened { key, lane } => {
                let tenant = self.tenants.entry(no).or_default();
                let next = lane.0 as usize == tenant.lanes.len() + 1;
                ensure(next && tenant.lanes.iter().all(|l| l.key != *key), "facts", || format!("lane {lane:?}"))?;
                tenant.lanes.push(Lane { key: key.clone(), ready: Default::default(), head: 0, tail: 0 });
                Ok(())
            }
            Fact::JobEnqueued { .. } => self.enqueued(no, record, append),
            Fact::JobReady { cause, job, prev } => self.ready(no, record, *cause, *job, *prev),
            Fact::JobScheduled { at, job, prev } => self.scheduled(no, record, *at, *job, *prev),
            Fact::LeaseGranted { .. } => self.granted(no, record, append),
            Fact::BucketCut { .. } | Fact::BucketClosed { .. } | Fact::BucketReset { .. } => {
                let asked = match &record.body {
                    Fact::BucketReset { bucket, .. } => self.log.resets.contains(&(no, bucket.clone())),
                    Fact::BucketCut { job, .. } | Fact::BucketClosed { job, .. } => {
                        self.log.upstreams.contains(&(no, *job))
                    }
                    _ => false,
                };
                ensure(asked, ASKED, || format!("{} though nobody said so", record.body.kind()))?;
                self.saw(record.body.kind());
                if matches!(record.body, Fact::BucketCut { cause: CutCause::Latency, .. }) {
                    self.saw("a bucket was cut for slowness");
                }
                buckets::fact(self.tenants.entry(no).or_default(), &record.body, record.at)
            }
            Fact::BreakerTripped { breaker, .. } | Fact::BreakerReset { breaker, .. } => {
                let trip = matches!(record.body, Fact::BreakerTripped { .. });
                ensure(self.log.trips.contains(&(no, breaker.clone(), trip)), ASKED, || {
                    format!("`{breaker}`: {trip}")
                })?;
                breakers::fact(self.tenants.entry(no).or_default(), &record.body, record.at)
            }
            Fact::LeaseAcked { attempt, job, prev } => self.acked(no, record, *attempt, *job, *prev),
            Fact::AttemptEnded { .. } => self.attempt_ended(no, record),
            Fact::JobFinished { .. } => self.finished(no, record),
            Fact::CancelRequested { .. } => self.cancel_requested(no, record),
            Fact::JobReprioritized { .. } => self.reprioritized(no, record),
            Fact::Paused { target, .. } => self.paused(no, target, true),
            Fact::Resumed { target, .. } => self.paused(no, target, false),
            Fact::Throttled { target, .. } | Fact::ThrottleEnded { target, .. } => {
                let begins = matches!(record.body, Fact::Throttled { .. });
                let asked = self.log.throttles.contains(&(no, target.clone(), begins));
                ensure(asked, ASKED, || format!("throttle of {target:?}: {begins}"))?;
                throttles::fact(self.tenants.entry(no).or_default(), &record.body, record.at)
            }
            Fact::Prioritized { target, .. } | Fact::PriorityEnded { target, .. } => {
                let begins = matches!(record.body, Fact::Prioritized { .. });
                let asked = self.log.precedences.contains(&(no, target.clone(), begins));
                ensure(asked, ASKED, || format!("priority of {target:?}: {begins}"))
            }
            Fact::DeadLetterSettled { how, job, .. } => self.dead_letter_settled(no, how, *job),
            Fact::TenantAllotted { allotment, .. } => {
                let asked = self.log.allotments.iter().any(|(tenant, asked)| *tenant == no && asked == allotment);
                ensure(asked, ASKED, || format!("{allotment:?} was allotted"))?;
                let before = std::mem::replace(&mut self.tenants.entry(no).or_default().allotment, *allotment);
                ensure(before != *allotment, "facts", || format!("{allotment:?} was allotted already"))
            }
            Fact::FairnessNoted { receipt } => fairness::noted(self.tenants.entry(no).or_default(), receipt, record.at),
            Fact::WatermarkAdvanced { .. } | Fact::WatermarkSet { .. } => self.watermark_moved(no, record),
            Fact::TenantMarked { .. } => self.marked(no, true),
            Fact::TenantRestored { .. } => self.marked(no, false),
            Fact::PermitGiven { .. } | Fact::HostClosed { .. } => Err(bad("facts", "only `system` gives permits")),
            Fact::RunStarted { .. }
            | Fact::StepsSkipped { .. }
            | Fact::PartFailed { .. }
            | Fact::MapEnded { .. }
            | Fact::ApprovalAsked { .. }
            | Fact::ApprovalDecided { .. }
            | Fact::RunCancelRequested { .. }
            | Fact::RunPaused { .. }
            | Fact::RunResumed { .. }
            | Fact::RunFinished { .. }
            | Fact::BackfillCreated { .. }
            | Fact::BackfillSkipped { .. }
            | Fact::BackfillPaused { .. }
            | Fact::BackfillResumed { .. }
            | Fact::BackfillCancelRequested { .. }
            | Fact::BackfillFinished { .. } => Err(bad(ASKED, "nobody asks for runs here: tests/runs.rs judges them")),
            Fact::RowsKept { .. } | Fact::Turn { .. } => Err(bad("facts", "an arbiter's fact in a tenant's stream")),
        }
    }

    /// A mark follows a restore and the other way round, and somebody asked for each.
    fn marked(&mut self, no: TenantNo, mark: bool) -> Judged {
        let asked = self.log.marks.contains(&(no, mark));
        let tenant = self.tenants.entry(no).or_default();
        let turned = std::mem::replace(&mut tenant.marked, mark) != mark;
        ensure(asked && turned, ASKED, || format!("tenant {} was marked ({mark}) again, or by nobody", no.0))
    }

    fn config_set(&mut self, no: TenantNo, doc: &ConfigDoc, version: u64, at: Timestamp) -> Judged {
        let asked = self.log.configs.iter().any(|(tenant, asked)| *tenant == no && asked == doc);
        ensure(asked, ASKED, || format!("config {}", doc.name()))?;
        let commit = self.commit;
        let tenant = self.tenants.entry(no).or_default();
        let key = (doc.kind(), doc.name().to_owned());
        let gone = tenant.gone.get(&key).copied().unwrap_or(0);
        let before = tenant.configs.get(&key).map_or(gone, |(_, version, _)| *version);
        ensure(version == before + 1, "facts", || format!("version {version} after {before}"))?;
        if let ConfigDoc::JobType(doc) = doc {
            let most = tenant.lease_ms_most.entry(doc.name.clone()).or_default();
            *most = (*most).max(doc.lease_ms);
            run_times::declared(&mut tenant.run_times, doc);
        }
        if let ConfigDoc::Breaker(doc) = doc {
            breakers::declared(tenant, doc, at);
        }
        if let ConfigDoc::Schedule(doc) = doc {
            schedules::declared(tenant, doc, at)?;
        }
        tenant.configs.insert(key, (doc.clone(), version, commit));
        tenant.config_version += 1;
        tenant.configured_at = at;
        if let ConfigDoc::Blackout(_) = doc {
            self.saw("blackout declared");
        }
        Ok(())
    }

    fn config_deleted(&mut self, no: TenantNo, kind: ConfigKind, name: &str, version: u64) -> Judged {
        let key = (kind, name.to_owned());
        let asked = self.log.deleted.contains(&(no, kind, name.to_owned()));
        ensure(asked, ASKED, || format!("{name} was deleted"))?;
        let tenant = self.tenants.entry(no).or_default();
        let before = tenant.configs.remove(&key).map_or(0, |(_, version, _)| version);
        ensure(before > 0 && version == before + 1, "facts", || format!("{name} ends as {version} after {before}"))?;
        tenant.gone.insert(key, version);
        tenant.config_version += 1;
        if kind == ConfigKind::Breaker {
            tenant.breakers.remove(name);
        }
        self.saw(match kind {
            ConfigKind::Bucket => "a bucket was deleted",
            ConfigKind::Breaker => "a breaker was deleted",
            ConfigKind::Blackout => "a blackout was deleted",
            ConfigKind::Schedule => "a schedule was deleted",
            _ => "another declared thing was deleted",
        });
        Ok(())
    }

    fn paused(&mut self, no: TenantNo, target: &PauseTarget, pause: bool) -> Judged {
        let asked = self.log.pauses.contains(&(no, target.clone(), pause));
        ensure(asked, ASKED, || format!("pause of {target:?}"))?;
        let tenant = self.tenants.entry(no).or_default();
        let changed = if pause { tenant.pauses.insert(target.clone()) } else { tenant.pauses.remove(target) };
        ensure(changed, "facts", || format!("{target:?} was {pause} already"))
    }

    fn enqueued(&mut self, no: TenantNo, record: &Record, append: &Append) -> Judged {
        let Fact::JobEnqueued {
            deadline,
            depends_on,
            firing,
            job: id,
            lane,
            not_before,
            open_parents,
            origin,
            state,
            ..
        } = &record.body
        else {
            return Ok(());
        };
        match firing {
            None => self.accepted_once(no, *id, record)?,
            Some(firing) => {
                let tenant = self.tenants.entry(no).or_default();
                schedules::fired(tenant, (&firing.schedule, firing.nominal_at), *id, record.at)?;
                self.saw("a schedule fired");
            }
        }
        let follows = self.log.completes.get(id).copied();
        let commit = append.commit_no;
        let tenant = self.tenants.entry(no).or_default();
        ensure(!tenant.jobs.contains_key(id), "2: one job a key", || format!("{id} was accepted twice"))?;
        let mut open = Vec::new();
        for (n, edge) in depends_on.iter().enumerate() {
            let parent = tenant.jobs.get(&edge.job).ok_or_else(|| bad(EDGES, format!("{id} waits for a stranger")))?;
            if !parent.state.is_final() {
                open.push(u32::try_from(n).unwrap_or(u32::MAX));
            }
        }
        ensure(open == *open_parents, EDGES, || format!("{id} lists {open_parents:?} as open, history says {open:?}"))?;
        let mut job = Job {
            lane: *lane,
            accepted: record.seq,
            fresh: false,
            state: *state,
            states: vec![(record.seq, *state)],
            state_commit: commit,
            commit,
            last_seq: record.seq,
            attempt: 0,
            tries: 0,
            lost: 0,
            depends_on: depends_on.clone(),
            deadline: *deadline,
            not_before: *not_before,
            due_at: *not_before,
            lease: None,
            cancel: None,
            order_key: record.seq,
            ends: Vec::new(),
            settled: false,
            origin: *origin,
        };
        let expected = if !open.is_empty() || doomed(tenant, &job) {
            JobState::Blocked
        } else if not_before.is_some_and(|at| at > record.at) {
            JobState::Scheduled
        } else {
            JobState::Ready
        };
        ensure(*state == expected, EDGES, || format!("{id} begins {state:?}, not {expected:?}"))?;
        let known = deadline.is_none() && firing.is_none() && !keys::asks(tenant, &job);
        job.fresh = expected == JobState::Ready && known;
        let pointless = doomed(tenant, &job);
        for edge in depends_on {
            tenant.children.entry(edge.job).or_default().insert(*id);
        }
        tenant.jobs.insert(*id, job);
        if *state == JobState::Ready {
            enter(tenant, *id, *lane, record.seq)?;
            if self.log.submitted.contains(id) || firing.is_some() {
                quotas::waits(tenant, *lane)?;
            }
        }
        if !pointless {
            keys::accepted(tenant, *id, follows);
        }
        Ok(())
    }

    /// Promise 2, from the callers' log: of all sendings under one key at most one makes jobs, for 24 hours.
    fn accepted_once(&mut self, no: TenantNo, id: JobId, record: &Record) -> Judged {
        if self.log.again.get(&id).is_some_and(|(tenant, _)| *tenant == no) {
            return Ok(());
        }
        let asked = self.log.asked(no, id).ok_or_else(|| bad(ASKED, format!("{id} was never asked for")))?;
        let day = orch_core::limits::KEY_HOURS * 3_600_000;
        for (key, same_call) in [(asked.job.key, false), (asked.call_key, true)] {
            let Some(key) = key else { continue };
            let before = self.accepted.entry((no, key.key)).or_default();
            let log = &self.log;
            let twin = before
                .iter()
                .find(|(other, at)| !(same_call && log.together(id, *other)) && record.at.ms_since(*at) < day);
            ensure(twin.is_none(), "2: one job a key", || format!("{id} and {twin:?} were made under one key"))?;
            before.push((id, record.at));
        }
        Ok(())
    }

    fn ready(&mut self, no: TenantNo, record: &Record, cause: ReadyCause, id: JobId, prev: u64) -> Judged {
        let retried = self.log.retries.contains(&(no, id));
        let commit = self.commit;
        let tenant = self.tenants.entry(no).or_default();
        let before = link(tenant, id, prev, record.seq)?;
        let job = &tenant.jobs[&id];
        let fits = match cause {
            ReadyCause::Unblocked => {
                let early = job.not_before.is_some_and(|at| at > record.at);
                before == JobState::Blocked && open_parents(tenant, job) == 0 && !doomed(tenant, job) && !early
            }
            ReadyCause::Due => before == JobState::Scheduled && job.due_at.is_none_or(|at| at <= record.at),
            ReadyCause::Asked => before == JobState::Scheduled && retried,
        };
        let promise = if cause == ReadyCause::Unblocked { EDGES } else { "facts" };
        ensure(fits, promise, || format!("{id} was {before:?} and became ready: {cause:?}"))?;
        let lane = job.lane;
        set(tenant, id, JobState::Ready, commit);
        enter(tenant, id, lane, record.seq)
    }

    fn scheduled(&mut self, no: TenantNo, record: &Record, at: orch_core::Timestamp, id: JobId, prev: u64) -> Judged {
        let commit = self.commit;
        let tenant = self.tenants.entry(no).or_default();
        let before = link(tenant, id, prev, record.seq)?;
        let job = &tenant.jobs[&id];
        let fits = before == JobState::Blocked && open_parents(tenant, job) == 0 && !doomed(tenant, job);
        ensure(fits && job.not_before == Some(at) && at > record.at, EDGES, || format!("{id} was {before:?}"))?;
        set(tenant, id, JobState::Scheduled, commit);
        Ok(())
    }

    fn granted(&mut self, no: TenantNo, record: &Record, append: &Append) -> Judged {
        let Fact::LeaseGranted {
            attempt,
            auto_ack,
            canary,
            claim,
            epoch,
            job: id,
            lane: lane_no,
            lease_ms,
            leave_by,
            not_before,
            permit,
            prev,
            session,
        } = &record.body
        else {
            return Ok(());
        };
        self.was_held(no, *lane_no, *id, *claim, record.at)?;
        let asked = self.log.claims.get(claim).ok_or_else(|| bad(ASKED, format!("claim {claim}")))?;
        let params = self.log.sessions.get(session).ok_or_else(|| bad(ASKED, format!("session {session}")))?;
        let may = asked.session == *session && asked.auto_ack == *auto_ack && params.tenants.contains(&no);
        ensure(may, ASKED, || format!("{id} was handed to {session}"))?;
        let types = if asked.job_types.is_empty() { &params.job_types } else { &asked.job_types };
        ensure(*epoch == append.epoch, FENCE, || format!("{id} was granted under epoch {epoch}"))?;
        let commit = self.commit;
        let tenant = self.tenants.entry(no).or_default();
        let before = link(tenant, *id, *prev, record.seq)?;
        let job = &tenant.jobs[id];
        let lane = tenant.lane(*lane_no).ok_or_else(|| bad("facts", "no such lane"))?;
        let state = if *auto_ack { JobState::Running } else { JobState::Leased };
        ensure(job.lease.is_none() && before == JobState::Ready, FENCE, || {
            format!("{id} was granted while {before:?}")
        })?;
        ensure(*attempt == job.attempt + 1, CAPS, || format!("{id}: attempt {attempt} after {}", job.attempt))?;
        ensure(job.lane == *lane_no && types.contains(&lane.key.job_type), ASKED, || {
            format!("{id} went to the wrong worker")
        })?;
        ensure(open_parents(tenant, job) == 0 && !doomed(tenant, job), EDGES, || {
            format!("{id} runs before its parents")
        })?;
        ensure(job.cancel.is_none(), CANCEL, || format!("{id} was granted although canceled"))?;
        let first = lane.ready.first_key_value().map(|(_, first)| *first);
        ensure(first == Some(*id), ORDER, || format!("{id} (key {}) was granted before {first:?}", job.order_key))?;
        if job.attempt == 0 {
            ensure(job.order_key > lane.head, ORDER, || format!("{id} lies below its lane's head"))?;
        }
        not_paused(tenant, *lane_no)?;
        within_limits(tenant, *lane_no)?;
        let waited = blackouts::admits(tenant, *lane_no, record.at)?;
        let doc = tenant.policy(job).ok_or_else(|| bad("facts", "no such job type"))?.clone();
        let doc_cost = doc.cost;
        let (seen, probes) = breakers::began(tenant, *lane_no, (*id, *attempt), *canary, record.at)?;
        ensure(doc.lease_ms == *lease_ms, "facts", || format!("{id} has a lease of {lease_ms} ms"))?;
        let lease = Lease {
            epoch: *epoch,
            session: *session,
            claim: *claim,
            granted_at: record.at,
            lease_ms: *lease_ms,
            execution_ms: doc.execution_ms_max,
            told_until: record.at,
            told_ms: *lease_ms,
            told_heard: false,
            probes,
        };
        let in_flight = buckets::begins(tenant, *lane_no)?;
        let spent = buckets::spend(tenant, *lane_no, record.at, *not_before)?;
        let source = tenant.lane(*lane_no).and_then(|lane| lane.key.source.as_deref());
        let host = source.and_then(|name| tenant.source(name)).and_then(|doc| doc.host.clone());
        let leaves_at = not_before.unwrap_or(record.at);
        // A request that may leave later than that would come closer to others than the upstream's window is long.
        let short = leave_by.is_none_or(|by| by >= leaves_at && not_before.is_some());
        ensure(short, LIMITS, || format!("{id} leaves from {leaves_at} to {leave_by:?}"))?;
        let under_quota = quotas::granted(tenant, *lane_no, leaves_at)?;
        let throttled = throttles::granted(tenant, *lane_no, record.at)?;
        let allotted = fairness::granted(tenant, record.at)?;
        let urgent = tenant.lane(*lane_no).is_some_and(|lane| lane.key.priority == Priority::Urgent);
        let request = (doc_cost, urgent);
        let permitted = self.hosts.used(no, host.as_deref(), request, (record.at, leaves_at), *permit)?;
        self.clock.granted((no, *id, *attempt), record.at, *lease_ms);
        set(tenant, *id, state, commit);
        let job = tenant.jobs.get_mut(id).ok_or_else(|| bad("facts", "no such job"))?;
        let key = job.order_key;
        let first = job.attempt == 0;
        job.attempt = *attempt;
        job.lease = Some(lease);
        if let Some(lane) = tenant.lane_mut(*lane_no) {
            lane.ready.remove(&key);
            lane.head = if first { lane.head.max(key) } else { lane.head };
        }
        if under_quota {
            self.saw("a grant under a quota");
        }
        if throttled {
            self.saw("a grant under a throttle");
        }
        if permitted {
            self.saw("a permit was used");
        }
        if allotted {
            self.saw("a grant under an allotment");
        }
        seen.into_iter().chain(in_flight).for_each(|what| self.saw(what));
        if waited {
            self.saw("blackout over, and work goes on");
        }
        if spent {
            self.saw(if not_before.is_some() { "bucket spent ahead" } else { "bucket spent" });
        }
        Ok(())
    }

    fn acked(&mut self, no: TenantNo, record: &Record, attempt: u32, id: JobId, prev: u64) -> Judged {
        let commit = self.commit;
        let tenant = self.tenants.entry(no).or_default();
        let before = link(tenant, id, prev, record.seq)?;
        let job = &tenant.jobs[&id];
        ensure(before == JobState::Leased && job.attempt == attempt, FENCE, || {
            format!("{id} was acknowledged while {before:?}")
        })?;
        let asked = self.log.acks.iter().any(|token| token.job == id && job.current(*token).is_some());
        ensure(asked, ASKED, || format!("{id} was acknowledged by nobody"))?;
        set(tenant, id, JobState::Running, commit);
        Ok(())
    }

    fn attempt_ended(&mut self, no: TenantNo, record: &Record) -> Judged {
        let Fact::AttemptEnded { attempt, error, free, job: id, next, outcome, prev, report, .. } = &record.body else {
            return Ok(());
        };
        let report = report.as_deref().and_then(fingerprint);
        self.reported(no, *id, *attempt, report, *outcome)?;
        let commit = self.commit;
        let live = self.clock.good((no, *id, *attempt));
        let released = &self.log.releases;
        let voices = &self.voices;
        let tenant = self.tenants.entry(no).or_default();
        link(tenant, *id, *prev, record.seq)?;
        let job = &tenant.jobs[id];
        let lease =
            job.lease.clone().ok_or_else(|| bad(FENCE, format!("{id} ended attempt {attempt} without a lease")))?;
        ensure(job.attempt == *attempt, FENCE, || format!("{id} ended attempt {attempt} of {}", job.attempt))?;
        ensure(job.cancel.is_none(), CANCEL, || format!("{id} goes round again although canceled: {outcome:?}"))?;
        let doc = tenant.policy(job).ok_or_else(|| bad("facts", "no such job type"))?.clone();
        let mut ended = job.clone();
        match outcome {
            AttemptOutcome::Lost => {
                ended.lost += 1;
                ensure(ended.lost < doc.lost_max, CAPS, || format!("{id} lost {} of {}", ended.lost, doc.lost_max))?;
                let in_time = record.at >= lease.told_until || voices.died_with(&lease, record.at);
                ensure(!live && in_time, ROBBED, || {
                    format!(
                        "{id} attempt {attempt} lost at {}, told until {}; good worker: {live}",
                        record.at, lease.told_until
                    )
                })?;
                ensure(*next == NextTry::Now, CAPS, || format!("{id} waits after a lost lease"))?;
            }
            AttemptOutcome::Released => {
                let asked = released.iter().any(|token| token.job == *id && job.current(*token).is_some());
                let unheard = lease.is_unheard(record.at);
                ensure(asked || report.is_some() || unheard, ROBBED, || {
                    format!("{id} was taken back from a live worker")
                })?;
                ensure(asked || report.is_some() || voices.spoke_after(&lease, record.at), CAPS, || {
                    format!("{id} attempt {attempt} went back at no cost, and its worker fell silent at the grant")
                })?;
                ensure(*next == NextTry::Now, CAPS, || format!("{id} waits after a release"))?;
            }
            AttemptOutcome::Failed | AttemptOutcome::TimedOut => {
                breakers::free(tenant, *id, job, *free)?;
                let tries = ended.tries + 1;
                ended.tries += u32::from(!free);
                ensure(*free || tries < doc.tries_max, CAPS, || format!("{id} tried {tries} of {}", doc.tries_max))?;
                let ceiling = doc.backoff().ceiling_ms(tries);
                let wish = error.as_ref().and_then(|error| error.retry_after_ms).unwrap_or(0).min(doc.backoff_ms_max);
                let fits =
                    matches!(next, NextTry::At(at) if (wish..=ceiling.max(wish)).contains(&at.ms_since(record.at)));
                ensure(fits, CAPS, || format!("{id} is tried again at {next:?}, the ceiling is {ceiling} ms"))?;
                ensure(*outcome == AttemptOutcome::Failed || overran(record, &lease), ROBBED, || {
                    format!("{id} timed out early")
                })?;
            }
            _ => return Err(bad("facts", format!("{id} goes on after {outcome:?}"))),
        }
        self.counts
            .entry(outcome_word(*outcome, report.is_some(), error.is_some()))
            .and_modify(|n| *n += 1)
            .or_insert(1);
        if *free {
            *self.counts.entry("a failure cost no try").or_default() += 1;
        }
        for what in breakers::ended(tenant, *id, breakers::said(Some(*outcome), None), record.at) {
            *self.counts.entry(what).or_default() += 1;
        }
        ended.lease = None;
        ended.due_at = if let NextTry::At(at) = next { Some(*at) } else { None };
        ended.ends.push(AttemptEnd { epoch: lease.epoch, attempt: *attempt, outcome: Some(*outcome), report });
        let lane = ended.lane;
        tenant.jobs.insert(*id, Job { last_seq: record.seq, ..ended });
        set(tenant, *id, if *next == NextTry::Now { JobState::Ready } else { JobState::Scheduled }, commit);
        if *next == NextTry::Now {
            enter(tenant, *id, lane, record.seq)?;
        }
        self.clock.ended((no, *id, *attempt));
        Ok(())
    }

    /// A report that ends an attempt names exactly that attempt, and says that outcome.
    fn reported(
        &mut self,
        no: TenantNo,
        id: JobId,
        attempt: u32,
        report: Option<[u8; 16]>,
        outcome: AttemptOutcome,
    ) -> Judged {
        let said = match outcome {
            AttemptOutcome::Succeeded | AttemptOutcome::Failed => true,
            AttemptOutcome::Released | AttemptOutcome::Canceled => report.is_some(),
            _ => false,
        };
        let Some(report) = report else {
            return ensure(!said, ASKED, || format!("{id} {outcome:?} without a report"));
        };
        let Some((token, said)) = self.log.reports.get(&report) else {
            return Err(bad(ASKED, format!("{id} ended by an unknown report")));
        };
        let job = self.job(no, id).ok_or_else(|| bad("facts", "no such job"))?;
        let current =
            token.tenant == no && token.job == id && token.attempt == attempt && job.current(*token).is_some();
        ensure(current, FENCE, || {
            format!("{id} attempt {attempt} was ended by a report of attempt {}", token.attempt)
        })?;
        let fits = match outcome {
            AttemptOutcome::Succeeded => *said == Said::Succeeded,
            AttemptOutcome::Failed => matches!(said, Said::Retryable | Said::Permanent),
            AttemptOutcome::Released | AttemptOutcome::Canceled => *said == Said::Canceled,
            _ => false,
        };
        ensure(fits, ASKED, || format!("{id}: the worker said {said:?}, history says {outcome:?}"))
    }

    fn finished(&mut self, no: TenantNo, record: &Record) -> Judged {
        let Fact::JobFinished { attempt, cause, error, job: id, lane, outcome, prev, report, state, .. } = &record.body
        else {
            return Ok(());
        };
        let report = report.as_deref().and_then(fingerprint);
        if let Some(outcome) = outcome {
            self.reported(no, *id, *attempt, report, *outcome)?;
        }
        let asked = self.log.cancels.contains(&(no, *id))
            || self.tenants.get(&no).is_some_and(|tenant| schedules::may_cancel(tenant, *id));
        let live = self.clock.good((no, *id, *attempt));
        let commit = self.commit;
        let tenant = self.tenants.entry(no).or_default();
        let before = link(tenant, *id, *prev, record.seq)?;
        let job = tenant.jobs[id].clone();
        let canceled = asked || job.cancel.is_some();
        ensure(job.lane == *lane && job.attempt == *attempt, CAPS, || format!("{id} ends in attempt {attempt}"))?;
        ensure(job.lease.is_some() == outcome.is_some(), FENCE, || format!("{id} ends {outcome:?} while {before:?}"))?;
        let asked_to_stop = job.cancel.is_some() && *state != JobState::Canceled && *cause != EndCause::Deadline;
        ensure(!asked_to_stop, CANCEL, || format!("{id} ends {state:?} although its cancel was acknowledged"))?;
        let doc = tenant.policy(&job).ok_or_else(|| bad("facts", "no such job type"))?.clone();
        if *state == JobState::Succeeded {
            run_times::ended(tenant, &job, record.at);
        }
        let failed = *state == JobState::Failed;
        let fits = match cause {
            EndCause::Reported => *state == JobState::Succeeded && *outcome == Some(AttemptOutcome::Succeeded),
            EndCause::TriesSpent => {
                ensure(!breakers::costs_nothing(tenant, &job), CAPS, || format!("{id} fails by a free failure"))?;
                failed && job.tries + 1 >= doc.tries_max && outcome_tries(*outcome)
            }
            EndCause::NotRetryable => failed && error.as_ref().is_some_and(|error| !error.retryable),
            EndCause::WorkerLost => {
                let ran_out = |lease: &Lease| record.at >= lease.told_until || self.voices.died_with(lease, record.at);
                let in_time = job.lease.as_ref().is_none_or(ran_out);
                ensure(!live && in_time, ROBBED, || format!("{id} lost at {}: {:?}", record.at, job.lease))?;
                failed && job.lost + 1 >= doc.lost_max && *outcome == Some(AttemptOutcome::Lost)
            }
            EndCause::Deadline => failed && job.deadline.is_some_and(|deadline| record.at >= deadline),
            EndCause::Canceled => {
                *state == JobState::Canceled && canceled && (job.lease.is_none() || job.cancel.is_some())
            }
            EndCause::CancelGrace => *state == JobState::Canceled && job.cancel.is_some_and(|grace| record.at >= grace),
            EndCause::Dependency => *state == JobState::Skipped && before == JobState::Blocked && doomed(tenant, &job),
            EndCause::Dropped => *state == JobState::Canceled && job.accepted == *prev,
            EndCause::Superseded => {
                keys::superseded(tenant, *id)?;
                *state == JobState::Canceled && job.lease.is_none()
            }
        };
        let promise = if matches!(cause, EndCause::Dependency) { EDGES } else { CAPS };
        ensure(fits, promise, || {
            format!("{id} ends {state:?} by {cause:?} ({outcome:?}): {} tries, {} lost", job.tries, job.lost)
        })?;
        let early = *outcome == Some(AttemptOutcome::TimedOut) && *cause != EndCause::Deadline;
        let overran = job.lease.as_ref().is_none_or(|lease| overran(record, lease));
        ensure(!early || overran, ROBBED, || format!("{id} timed out early"))?;
        if before == JobState::Ready
            && let Some(lane) = tenant.lane_mut(*lane)
        {
            lane.ready.remove(&job.order_key);
        }
        let said = breakers::said(*outcome, Some(*cause));
        let seen = breakers::ended(tenant, *id, said, record.at);
        if said == Some(true) {
            buckets::succeeded(tenant, *id);
        }
        schedules::ended(tenant, *id);
        set(tenant, *id, *state, commit);
        if let Some(job) = tenant.jobs.get_mut(id)
            && let Some(lease) = job.lease.take()
        {
            job.ends.push(AttemptEnd { epoch: lease.epoch, attempt: *attempt, outcome: *outcome, report });
        }
        self.clock.ended((no, *id, *attempt));
        seen.into_iter().for_each(|what| self.saw(what));
        self.saw(match cause {
            EndCause::Reported => "end: reported",
            EndCause::TriesSpent => "end: tries spent",
            EndCause::NotRetryable => "end: not retryable",
            EndCause::WorkerLost => "end: lost cap",
            EndCause::Deadline => "end: deadline",
            EndCause::Canceled => "end: canceled",
            EndCause::CancelGrace => "end: cancel grace",
            EndCause::Dependency => "end: skipped",
            EndCause::Dropped => "end: dropped",
            EndCause::Superseded => "end: superseded",
        });
        Ok(())
    }

    fn cancel_requested(&mut self, no: TenantNo, record: &Record) -> Judged {
        let Fact::CancelRequested { by, grace_until, job: id, prev, .. } = &record.body else { return Ok(()) };
        let asked = self.log.cancels.contains(&(no, *id));
        let tenant = self.tenants.entry(no).or_default();
        let blackout = by.strip_prefix("blackout ");
        let cancels = blackout.is_some_and(|name| blackouts::cancels(tenant, *id, name, record.at));
        let newer = by.strip_prefix("newer ").and_then(|newer| newer.parse().ok());
        let newer = newer.and_then(|newer: JobId| tenant.jobs.get(&newer));
        if let Some(newer) = newer {
            let younger = tenant.jobs.get(id).is_some_and(|job| job.accepted < newer.accepted);
            ensure(younger, "a key's strategy holds", || format!("{id} made way for {by}, which is older"))?;
            keys::superseded(tenant, *id)?;
        }
        let scheduled = by.strip_prefix("schedule ").is_some_and(|name| schedules::cancels(tenant, *id, name));
        let may = if blackout.is_some() { cancels } else { asked || newer.is_some() || scheduled };
        let takes_place = newer.is_some();
        ensure(may, ASKED, || format!("cancel of {id} by {by}"))?;
        if takes_place {
            self.saw("a worker was asked to stop for a newer job");
        }
        if cancels {
            self.saw("blackout asks an attempt to end");
        }
        let tenant = self.tenants.entry(no).or_default();
        link(tenant, *id, *prev, record.seq)?;
        let job = &tenant.jobs[id];
        let grace_ms = tenant.policy(job).map_or(0, |doc| doc.cancel_grace_ms);
        let fits = job.lease.is_some() && job.cancel.is_none() && *grace_until == record.at.plus_ms(grace_ms);
        ensure(fits, CANCEL, || format!("cancel of {id} until {grace_until}"))?;
        if let Some(job) = tenant.jobs.get_mut(id) {
            job.cancel = Some(*grace_until);
        }
        Ok(())
    }

    /// A job goes into a lane that is alike but for its priority.
    fn reprioritized(&mut self, no: TenantNo, record: &Record) -> Judged {
        let Fact::JobReprioritized { from, job: id, lane, prev, .. } = &record.body else { return Ok(()) };
        let tenant = self.tenants.entry(no).or_default();
        let before = link(tenant, *id, *prev, record.seq)?;
        let job = &tenant.jobs[id];
        let keys = tenant.lane(*from).zip(tenant.lane(*lane)).map(|(from, to)| (from.key.clone(), to.key.clone()));
        let (old, new) = keys.ok_or_else(|| bad("facts", "no such lane"))?;
        ensure(self.log.priorities.contains(&(no, *id, new.priority)), ASKED, || format!("{id} as {new:?}"))?;
        let fits = job.lane == *from && from != lane && LaneKey { priority: new.priority, ..old } == new;
        ensure(fits, "facts", || format!("{id} went from {from:?} to {lane:?}"))?;
        let key = job.order_key;
        if let Some(job) = tenant.jobs.get_mut(id) {
            job.lane = *lane;
        }
        if before == JobState::Ready {
            if let Some(from) = tenant.lane_mut(*from) {
                from.ready.remove(&key);
            }
            enter(tenant, *id, *lane, record.seq)?;
        }
        Ok(())
    }

    fn dead_letter_settled(&mut self, no: TenantNo, how: &Settlement, id: JobId) -> Judged {
        ensure(self.log.settles.contains(&(no, id)), ASKED, || format!("dead letter of {id}"))?;
        let tenant = self.tenants.entry(no).or_default();
        let known = match how {
            Settlement::Replayed(new) => tenant.jobs.contains_key(new),
            Settlement::Discarded => true,
        };
        let job = tenant.jobs.get_mut(&id).ok_or_else(|| bad("facts", "no such job"))?;
        let open = job.state == JobState::Failed && !job.settled;
        ensure(known && open, "dead letters settle once", || format!("dead letter of {id}: {how:?}"))?;
        job.settled = true;
        Ok(())
    }
}

fn outcome_word(outcome: AttemptOutcome, reported: bool, error: bool) -> &'static str {
    match outcome {
        AttemptOutcome::Lost => "attempt: lost",
        AttemptOutcome::Released if reported => "attempt: given back by its report",
        AttemptOutcome::Released => "attempt: released or unheard",
        AttemptOutcome::TimedOut => "attempt: timed out",
        AttemptOutcome::Failed if error => "attempt: failed",
        _ => "attempt: ended otherwise",
    }
}

fn outcome_tries(outcome: Option<AttemptOutcome>) -> bool {
    matches!(outcome, Some(AttemptOutcome::Failed | AttemptOutcome::TimedOut))
}

fn overran(record: &Record, lease: &Lease) -> bool {
    record.at.ms_since(lease.granted_at) >= lease.execution_ms
}

/// The chain of a job's facts: each names the one before, and none follows a final one.
fn link(tenant: &mut Tenant, id: JobId, prev: u64, seq: u64) -> Result<JobState, Violation> {
    let job = tenant.jobs.get_mut(&id).ok_or_else(|| bad(CHAIN, format!("{id} has a fact and was never accepted")))?;
    ensure(!job.state.is_final(), CHAIN, || format!("{id} is {:?} and has another fact at {seq}", job.state))?;
    ensure(job.last_seq == prev, CHAIN, || format!("{id}: seq {seq} names {prev}, its last was {}", job.last_seq))?;
    job.last_seq = seq;
    Ok(job.state)
}

fn set(tenant: &mut Tenant, id: JobId, state: JobState, commit: u64) {
    if let Some(job) = tenant.jobs.get_mut(&id) {
        job.state = state;
        job.state_commit = commit;
        job.states.push((job.last_seq, state));
    }
}

/// A job enters its lane under the fact's seq, above every other key of the lane.
fn enter(tenant: &mut Tenant, id: JobId, no: LaneNo, key: u64) -> Judged {
    if let Some(job) = tenant.jobs.get_mut(&id) {
        job.order_key = key;
    }
    let lane = tenant.lane_mut(no).ok_or_else(|| bad("facts", "no such lane"))?;
    ensure(key > lane.tail, ORDER, || format!("{id} enters under {key}, the tail is {}", lane.tail))?;
    lane.tail = key;
    lane.ready.insert(key, id);
    Ok(())
}

fn not_paused(tenant: &Tenant, no: LaneNo) -> Judged {
    let Some(lane) = tenant.lane(no) else { return Ok(()) };
    let source = lane.key.source.clone().map(PauseTarget::Source);
    let targets = [PauseTarget::Tenant, PauseTarget::JobType(lane.key.job_type.clone()), PauseTarget::Lane(no)];
    let held = targets.into_iter().chain(source).find(|target| tenant.pauses.contains(target));
    ensure(held.is_none(), PAUSED, || format!("{no:?} gave work although {held:?} is paused"))
}

fn within_limits(tenant: &Tenant, no: LaneNo) -> Judged {
    let Some(lane) = tenant.lane(no) else { return Ok(()) };
    let Some(doc) = tenant.job_type(&lane.key.job_type) else { return Ok(()) };
    let leased = tenant.jobs.values().filter(|job| job.lease.is_some()).filter_map(|job| tenant.lane(job.lane));
    let (mut of_type, mut of_key, mut of_source) = (0, 0, 0);
    for other in leased {
        let alike = other.key.job_type == lane.key.job_type;
        of_type += u32::from(alike);
        of_key += u32::from(
            alike && other.key.concurrency_key.is_some() && other.key.concurrency_key == lane.key.concurrency_key,
        );
        of_source += u32::from(other.key.source.is_some() && other.key.source == lane.key.source);
    }
    let source_max =
        lane.key.source.as_deref().and_then(|name| tenant.source(name)).and_then(|doc| doc.concurrency_max);
    ensure(doc.concurrency_max.is_none_or(|max| of_type < max), LIMITS, || {
        format!("{of_type} of a type and one more")
    })?;
    ensure(source_max.is_none_or(|max| of_source < max), LIMITS, || format!("{of_source} of a source and one more"))?;
    let keyed = lane.key.concurrency_key.is_some();
    let key_max = doc.concurrency_per_key_max.filter(|_| keyed);
    ensure(key_max.is_none_or(|max| of_key < max), LIMITS, || format!("{of_key} of a key and one more"))
}
