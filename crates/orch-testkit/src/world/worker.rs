//! A worker: it claims, heartbeats, reports, gives back, dies and comes again. A good one heartbeats on the dot and
//! holds on to what it has; the others forget, report late, twice, or something else.

use orch_core::ids::{ClaimId, JobId, SessionId, TenantNo};
use orch_core::job::ArtifactRef;
use orch_core::lease::Token;
use orch_core::refusal::Code;
use orch_core::time::Timestamp;
use orch_core::watermark::{Advance, Axis, Range, Watermark};
use orch_dispatch::answer::{BeatAnswer, Grant};
use orch_dispatch::command::{
    Beat, ClaimParams, Completion, KeyUse, Progress, Report, SessionParams, Took, UpstreamSaid,
};
use orch_dispatch::{Answer, Command};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::call::Call;
use super::setup::{HOST, TYPES};
use super::{BEGIN, CallNo, Event, Outcome, World, submitter};
use crate::fixture;

/// Where reading begins, in event time: so far back that no watermark comes near now.
pub(super) const EVENTS_BEGIN: Timestamp = Timestamp::from_millis(BEGIN - 90 * 86_400_000);

/// How long the upstream is as it is.
const SPELL_MS: i64 = 2_000;

const SESSION: u64 = 1;
const CLAIM: u64 = 2;
const BEAT: u64 = 3;
const COMPLETE: u64 = 4;
const RELEASE: u64 = 5;
const ASIDE: u64 = 6;

/// What a worker has in mind with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// Report at its end.
    Report,
    /// Give it back.
    Release,
    /// Forget it.
    Vanish,
    /// Fall silent, and report long after.
    Late,
}

#[derive(Debug)]
struct Held {
    token: Token,
    plan: Plan,
    acked: bool,
    /// A heartbeat was answered.
    heard: bool,
    canceled: bool,
    length: i64,
    beat_at: i64,
    done_at: i64,
    completion: Option<Completion>,
    reporting: Option<CallNo>,
}

#[derive(Debug)]
struct Claiming {
    params: ClaimParams,
    call: Option<CallNo>,
    sent: u32,
}

#[derive(Debug)]
pub(super) struct Worker {
    params: SessionParams,
    boots: u32,
    good: bool,
    asleep: i64,
    open: bool,
    opening: Option<CallNo>,
    claiming: Option<Claiming>,
    held: Vec<Held>,
    /// Attempts that it had once.
    old: Vec<Token>,
    /// A call that reported attempts of several tenants.
    said: Vec<Completion>,
    wake: i64,
}

impl World {
    pub(super) fn is_good(&self, client: usize) -> bool {
        self.good.contains(&client)
    }
}

impl Worker {
    pub fn new(world: &mut World, number: usize) -> Self {
        let all = world.tenants();
        let some = world.rng.random_range(1..=all.len());
        let tenants: Vec<_> =
            if number == 0 { all } else { all.choose_multiple(&mut world.rng, some).copied().collect() };
        let types = world.rng.random_range(1..=TYPES.len());
        let job_types = if number == 0 {
            TYPES.iter().map(|name| (*name).to_owned()).collect()
        } else {
            TYPES.choose_multiple(&mut world.rng, types).map(|name| (*name).to_owned()).collect()
        };
        let params = SessionParams {
            session: SessionId::v7(Timestamp::from_millis(world.t), world.rng.random()),
            tenants,
            worker: format!("worker-{number}"),
            boot: "boot-1".to_owned(),
            job_types,
            capacity: world.rng.random_range(1..6),
            sdk: "sim".to_owned(),
        };
        let good = number.is_multiple_of(2);
        if good {
            let place = world.clients.len();
            world.good.insert(place);
        }
        Self {
            params,
            boots: 1,
            good,
            asleep: 0,
            open: false,
            opening: None,
            claiming: None,
            held: Vec::new(),
            old: Vec::new(),
            said: Vec::new(),
            wake: 0,
        }
    }

    /// A worker that can do everything for everybody.
    pub fn capable(world: &mut World, number: usize) -> Self {
        let mut worker = Self::new(world, 0);
        worker.params.worker = format!("worker-{number}");
        worker.params.capacity = 10;
        worker
    }

    pub fn turn(&mut self, world: &mut World, who: usize) {
        if world.ready && world.t >= self.asleep {
            self.act(world, who);
        }
        self.plan_turn(world, who);
    }

    /// The next turn: when the next lease wants something, or after a while.
    fn plan_turn(&mut self, world: &mut World, who: usize) {
        let idle = world.t + world.rng.random_range(50..250);
        let leases = self.held.iter().flat_map(|held| [held.beat_at, held.done_at]);
        let next = leases.filter(|at| *at > world.t).chain([idle]).min().unwrap_or(idle);
        if self.wake <= world.t || next < self.wake {
            self.wake = next;
            world.after(next - world.t, Event::Turn(who));
        }
    }

    fn act(&mut self, world: &mut World, who: usize) {
        if !self.good && !world.draining && world.chance(5) {
            self.die(world);
            return;
        }
        if !self.open {
            if self.opening.is_none() {
                self.opening = Some(world.send(who, Command::OpenSession(self.params.clone()), SESSION, 300));
            }
        } else {
            self.claim(world, who);
        }
        self.acknowledge(world, who);
        self.beat(world, who);
        self.report(world, who);
        self.mischief(world, who);
    }

    /// Another boot under the same name; what it held is forgotten.
    fn die(&mut self, world: &mut World) {
        self.boots += 1;
        self.params.boot = format!("boot-{}", self.boots);
        self.params.session = SessionId::v7(Timestamp::from_millis(world.t), world.rng.random());
        self.old.extend(self.held.drain(..).map(|held| held.token));
        self.open = false;
        self.opening = None;
        self.claiming = None;
        self.asleep = world.t + world.rng.random_range(100..3_000);
    }

    fn claim(&mut self, world: &mut World, who: usize) {
        if self.claiming.is_none() && self.held.len() < self.params.capacity as usize {
            let wait = world.chance(600).then(|| world.database_now().plus_ms(world.rng.random_range(1..2_000)));
            let params = ClaimParams {
                session: self.params.session,
                claim: ClaimId::v7(Timestamp::from_millis(world.t), world.rng.random()),
                max: self.params.capacity as usize - self.held.len(),
                job_types: Vec::new(),
                auto_ack: world.chance(600),
                wait_until: wait,
            };
            self.claiming = Some(Claiming { params, call: None, sent: 0 });
        }
        if let Some(claiming) = self.claiming.as_mut().filter(|claiming| claiming.call.is_none()) {
            claiming.sent += 1;
            let patience = world.rng.random_range(100..2_500);
            claiming.call = Some(world.send(who, Command::Claim(claiming.params.clone()), CLAIM, patience));
        }
    }

    fn take(&mut self, world: &mut World, grant: &Grant, auto_ack: bool) {
        if self.held.iter().any(|held| held.token == grant.token) {
            return;
        }
        let length = i64::try_from(grant.lease_ms).unwrap_or(1_000);
        let reliable = self.good || world.draining;
        let plan = match world.rng.random_range(0..100) {
            _ if world.draining => Plan::Report,
            0..10 => Plan::Release,
            10..22 if !reliable => Plan::Vanish,
            22..32 if !reliable => Plan::Late,
            _ => Plan::Report,
        };
        let work = match world.rng.random_range(0..10) {
            0..3 => world.rng.random_range(1..30),
            3..9 => world.rng.random_range(30..1_200),
            _ if world.draining => 100,
            _ => world.rng.random_range(1_200..9_000),
        };
        let late = if plan == Plan::Late { length + 400 } else { 0 };
        self.held.push(Held {
            token: grant.token,
            plan,
            acked: auto_ack,
            heard: false,
            canceled: false,
            length,
            beat_at: world.t + length / 4,
            done_at: world.t + work + late,
            completion: None,
            reporting: None,
        });
    }

    fn acknowledge(&mut self, world: &mut World, who: usize) {
        let tokens: Vec<_> =
            self.held.iter().filter(|held| !held.acked && held.plan != Plan::Vanish).map(|held| held.token).collect();
        if !tokens.is_empty() && world.chance(500) {
            let tenants = self.params.tenants.clone();
            world.send(who, Command::Ack { tenants, tokens }, ASIDE, 300);
        }
    }

    fn beat(&mut self, world: &mut World, who: usize) {
        if !self.held.iter().any(|held| held.beat_at <= world.t && held.beats()) {
            return;
        }
        let mut beats = Vec::new();
        for held in &mut self.held {
            let listed = held.beats() && (self.good || held.beat_at <= world.t && !world.chance(150));
            if !listed {
                continue;
            }
            held.beat_at = world.t + held.length / 3;
            let progress = world.chance(200).then(|| Progress { percent: 50, message: "half".to_owned() });
            let checkpoint = world.chance(150).then(|| bytes::Bytes::from_static(b"{\"at\":1}"));
            beats.push(Beat { token: held.token, progress, checkpoint });
        }
        if !beats.is_empty() {
            let (tenants, session) = (self.params.tenants.clone(), self.params.session);
            world.send(who, Command::Heartbeat { tenants, session, beats }, BEAT, 120);
        }
    }

    fn report(&mut self, world: &mut World, who: usize) {
        let tenants = self.params.tenants.clone();
        let due = |held: &&mut Held| held.done_at <= world.t && held.reporting.is_none();
        let mut ready: Vec<_> = self.held.iter_mut().filter(due).collect();
        let mut releases = Vec::new();
        let mut reports: Vec<Completion> = Vec::new();
        let mut named = Vec::new();
        for held in &mut ready {
            held.done_at = i64::MAX;
            match held.plan {
                Plan::Vanish => continue,
                Plan::Release => releases.push(held.token),
                Plan::Report | Plan::Late => {
                    let mut completion =
                        held.completion.take().unwrap_or_else(|| invent(world, held.token, held.canceled));
                    for job in &mut completion.follow_ups {
                        job.id = world.new_job_id();
                    }
                    held.completion = Some(completion.clone());
                    world.note_ending(held.token.tenant, held.token.job);
                    reports.push(completion);
                }
            }
            named.push(held.token);
        }
        if !releases.is_empty() {
            let call = world.send(who, Command::Release { tenants: tenants.clone(), tokens: releases }, RELEASE, 300);
            self.reporting(&named, call, Plan::Release);
        }
        if !reports.is_empty() {
            let patience = world.rng.random_range(80..800);
            let call = world.send(who, Command::Complete { tenants, completions: reports }, COMPLETE, patience);
            self.reporting(&named, call, Plan::Report);
        }
    }

    fn reporting(&mut self, named: &[Token], call: CallNo, plan: Plan) {
        let released = plan == Plan::Release;
        let of =
            self.held.iter_mut().filter(|held| named.contains(&held.token) && (held.plan == Plan::Release) == released);
        of.for_each(|held| held.reporting = Some(call));
    }

    /// Things that a worker may do at any time: follow-ups, log lines, and calls that name what is long over.
    fn mischief(&mut self, world: &mut World, who: usize) {
        let tenants = self.params.tenants.clone();
        let any = self.held.choose(&mut world.rng).filter(|held| held.beats()).map(|held| held.token);
        if let Some(token) = any.filter(|_| !world.draining) {
            match world.rng.random_range(0..60) {
                0 | 1 => {
                    let jobs = vec![submitter::job(world, token.tenant, None)];
                    let key = KeyUse { key: world.rng.random::<u128>().to_be_bytes(), fingerprint: [1; 16] };
                    world.send(who, Command::FollowUps { tenants, token, jobs, key: Some(key) }, ASIDE, 500);
                }
                2 | 3 => {
                    let lines = bytes::Bytes::from_static(b"[]");
                    world.send(who, Command::Log { tenants, token, lines }, ASIDE, 500);
                }
                4 => {
                    world.send(who, Command::CheckLease { tenants, token }, ASIDE, 500);
                }
                5 | 6 | 10..16 => {
                    let said = UpstreamSaid {
                        throttled: world.chance(700).then_some(429),
                        retry_after_ms: world.chance(300).then(|| world.rng.random_range(0..1_500)),
                        sent_ms_ago: world.chance(500).then(|| world.rng.random_range(0..300)),
                        latency_ms: world.chance(500).then(|| world.rng.random_range(0..300)),
                    };
                    world.send(who, Command::Upstream { tenants, token, said }, ASIDE, 500);
                }
                7 => {
                    let wrong = forge(world, token);
                    let beats = vec![Beat { token: wrong, progress: None, checkpoint: None }];
                    let session = self.params.session;
                    world.send(who, Command::Heartbeat { tenants, session, beats }, ASIDE, 500);
                }
                8 | 9 if !self.said.is_empty() => {
                    // The whole call again, long after: what memory knew of it may be forgotten.
                    let mut completions = self.said.clone();
                    for job in completions.iter_mut().flat_map(|completion| &mut completion.follow_ups) {
                        job.id = world.new_job_id();
                    }
                    world.send(who, Command::Complete { tenants, completions }, ASIDE, 500);
                }
                _ => {}
            }
        } else if let Some(token) = self.old.last().copied().filter(|_| world.chance(40)) {
            let command = match world.rng.random_range(0..4) {
                0 => Command::Complete { tenants, completions: vec![invent(world, token, false)] },
                1 => Command::Release { tenants, tokens: vec![token] },
                2 => Command::Ack { tenants, tokens: vec![token] },
                _ => Command::Log { tenants, token, lines: bytes::Bytes::from_static(b"[]") },
            };
            world.send(who, command, ASIDE, 500);
        }
    }

    fn drop_held(&mut self, world: &mut World, token: Token) {
        self.held.retain(|held| held.token != token);
        self.old.push(token);
        world.model.clock.set_good((token.tenant, token.job, token.attempt), false);
    }

    pub fn reply(&mut self, world: &mut World, who: usize, call: &Call, outcome: Outcome) {
        match call.tag {
            SESSION if self.opening == Some(call.number) => {
                self.opening = None;
                self.open = matches!(outcome, Outcome::Answer(Answer::Done));
            }
            CLAIM => self.claimed(world, call, outcome),
            BEAT => self.beaten(world, call, outcome),
            COMPLETE => self.completed(world, who, call, outcome),
            RELEASE => self.released(world, call, &outcome),
            ASIDE => self.aside(world, call, &outcome),
            _ => {}
        }
        self.plan_turn(world, who);
    }

    fn claimed(&mut self, world: &mut World, call: &Call, outcome: Outcome) {
        let Command::Claim(params) = call.command.as_ref() else { return };
        let Some(claiming) = self.claiming.as_mut().filter(|claiming| claiming.call == Some(call.number)) else {
            return;
        };
        claiming.call = None;
        match outcome {
            Outcome::Answer(Answer::Claimed(grants)) => {
                if claiming.sent > 1 && !grants.is_empty() {
                    world.model.saw("a claim sent again was answered");
                }
                self.claiming = None;
                for grant in &grants {
                    self.take(world, grant, params.auto_ack);
                }
            }
            Outcome::Answer(Answer::Refused(refusal)) => {
                self.open = refusal.code != Code::UnknownSession;
            }
            _ if world.chance(200) => self.claiming = None,
            _ => {}
        }
    }

    fn beaten(&mut self, world: &mut World, call: &Call, outcome: Outcome) {
        let Command::Heartbeat { beats, .. } = call.command.as_ref() else { return };
        let Outcome::Answer(Answer::Beats { leases, .. }) = outcome else {
            let again = world.t + world.rng.random_range(10..40);
            let listed = self.held.iter_mut().filter(|held| beats.iter().any(|beat| beat.token == held.token));
            listed.for_each(|held| held.beat_at = held.beat_at.min(again));
            return;
        };
        for (beat, answer) in beats.iter().zip(leases) {
            let token = beat.token;
            let Some(held) = self.held.iter_mut().find(|held| held.token == token) else { continue };
            match answer {
                BeatAnswer::Lost => {
                    let reporting = held.reporting.is_some();
                    if !reporting {
                        self.drop_held(world, token);
                    }
                }
                BeatAnswer::Continue(until) => {
                    held.heard = true;
                    held.length = i64::try_from(until.ms_since(call.delivered_at)).unwrap_or(1_000).max(300);
                    held.beat_at = held.beat_at.min(world.t + held.length / 3);
                    world.model.clock.set_good((token.tenant, token.job, token.attempt), self.good && held.beats());
                }
                BeatAnswer::Cancel(_) => {
                    held.canceled = true;
                    if held.completion.is_none() && held.plan != Plan::Vanish && world.chance(700) {
                        held.done_at = held.done_at.min(world.t + 20);
                    }
                }
            }
        }
    }

    fn completed(&mut self, world: &mut World, who: usize, call: &Call, outcome: Outcome) {
        let Command::Complete { completions, .. } = call.command.as_ref() else { return };
        let Outcome::Answer(Answer::Completed(answers)) = outcome else {
            self.again(world, call);
            return;
        };
        if completions.iter().any(|item| item.token.tenant != completions[0].token.tenant) {
            self.said.clone_from(completions);
        }
        for (completion, answer) in completions.iter().zip(answers) {
            let token = completion.token;
            match answer {
                Err(refusal) if !matches!(refusal.code, Code::StaleLease | Code::CompletionConflict) => {
                    // Its follow-ups were refused: it goes without them, as another report.
                    let Some(held) = self.held.iter_mut().find(|held| held.token == token) else { continue };
                    held.reporting = None;
                    held.completion = None;
                    held.done_at = world.t + 10;
                }
                answer => {
                    if let Ok(ids) = &answer {
                        world.known.extend(ids.iter().map(|id| (token.tenant, *id)));
                    }
                    self.drop_held(world, token);
                    self.twice(world, who, completion);
                }
            }
        }
    }

    /// The same completion once more, or another for the same attempt.
    fn twice(&mut self, world: &mut World, who: usize, completion: &Completion) {
        let mut completion = completion.clone();
        for job in &mut completion.follow_ups {
            job.id = world.new_job_id();
        }
        match world.rng.random_range(0..10) {
            0 | 1 => {}
            2 => {
                completion = invent(world, completion.token, false);
            }
            _ => return,
        }
        let tenants = self.params.tenants.clone();
        world.send(who, Command::Complete { tenants, completions: vec![completion] }, ASIDE, 500);
    }

    /// Whatever was being reported is reported again.
    fn again(&mut self, world: &mut World, call: &Call) {
        let late = world.rng.random_range(10..300);
        for held in self.held.iter_mut().filter(|held| held.reporting == Some(call.number)) {
            held.reporting = None;
            held.done_at = world.t + late;
        }
    }

    fn released(&mut self, world: &mut World, call: &Call, outcome: &Outcome) {
        let Command::Release { tokens, .. } = call.command.as_ref() else { return };
        if matches!(outcome, Outcome::Answer(_)) {
            for token in tokens {
                self.drop_held(world, *token);
            }
        } else {
            self.again(world, call);
        }
    }

    fn aside(&mut self, world: &mut World, call: &Call, outcome: &Outcome) {
        match (call.command.as_ref(), outcome) {
            (Command::Ack { tokens, .. }, Outcome::Answer(Answer::Items(answers))) => {
                for (token, answer) in tokens.iter().zip(answers) {
                    let held = self.held.iter_mut().find(|held| held.token == *token);
                    held.into_iter().for_each(|held| held.acked |= answer.is_ok());
                }
            }
            (Command::FollowUps { token, .. }, Outcome::Answer(Answer::Enqueued(found))) => {
                world.known.extend(found.iter().map(|found| (token.tenant, found.id)));
            }
            _ => {}
        }
    }
}

impl Held {
    /// Its worker heartbeats for it.
    fn beats(&self) -> bool {
        matches!(self.plan, Plan::Report | Plan::Release)
    }
}

impl World {
    /// The attempt is for an upstream that does not answer now.
    fn upstream_dead(&self, token: Token) -> bool {
        let Some(outages) = self.profile.breakers else { return false };
        let tenant = self.model.tenants.get(&token.tenant);
        let lane = tenant.and_then(|tenant| tenant.lane(tenant.jobs.get(&token.job)?.lane));
        let dead = (self.t - BEGIN) % outages.every_ms < outages.dead_ms;
        dead && lane.is_some_and(|lane| lane.key.source.is_some() || lane.key.job_type == TYPES[0])
    }

    fn note_ending(&mut self, tenant: TenantNo, job: JobId) {
        self.ending.push((tenant, job));
        if self.ending.len() > 8 {
            self.ending.remove(0);
        }
    }
}

/// How long the upstream took to answer each request of an attempt: now and then it is slow for a while.
fn took(world: &mut World) -> Vec<Took> {
    if !world.chance(600) {
        return Vec::new();
    }
    let slow = !world.draining && ((world.t - BEGIN) / SPELL_MS).rem_euclid(3) == 2;
    let requests = world.rng.random_range(20..80);
    let mut one = || if slow { world.rng.random_range(300..600) } else { world.rng.random_range(10..60) };
    (0..requests).map(|_| Took { host: HOST.to_owned(), latency_ms: one() }).collect()
}

fn forge(world: &mut World, token: Token) -> Token {
    match world.rng.random_range(0..3) {
        0 => Token { attempt: token.attempt + 1, ..token },
        1 => Token { epoch: token.epoch + 1, ..token },
        _ => Token { epoch: token.epoch.saturating_sub(1), ..token },
    }
}

/// How far an attempt read its source: mostly on from where its watermark is; else from where that is not, or back.
fn watermark(world: &mut World, token: Token) -> Option<Box<Advance>> {
    let tenant = world.model.tenants.get(&token.tenant)?;
    let source = tenant.source_of(token)?.to_owned();
    let axis = Axis::ALL[world.rng.random_range(0..Axis::ALL.len())];
    let Watermark { high: known, holes, repairs, .. } = tenant.watermark(&source, axis).watermark;
    let minutes = |at: Timestamp, n: i64| Timestamp::from_millis(at.millis() + n * 60_000);
    let at = known.unwrap_or(EVENTS_BEGIN);
    // Whoever is refused tries again, so that everything comes to its end all the same.
    let wrong = if world.draining { 60 } else { 200 };
    let elsewhere = world.chance(wrong).then(|| minutes(at, world.rng.random_range(-20..20)));
    let step = if world.chance(wrong) { world.rng.random_range(-30..0) } else { world.rng.random_range(0..30) };
    let high = minutes(at, step);
    let (left, read_again) = (Range { from: at, to: high }, holes.into_iter().chain(repairs).next());
    let late = (0..world.rng.random_range(0..3)).map(|_| minutes(at, world.rng.random_range(-3_000..10)));
    Some(Box::new(Advance {
        late: late.collect(),
        low: world.chance(100).then(|| minutes(high, world.rng.random_range(-6_000..=0))),
        filled: read_again.filter(|_| world.chance(500)).into_iter().collect(),
        holes: (known.is_some() && step > 0 && world.chance(200)).then_some(left).into_iter().collect(),
        repair_ms: world.chance(500).then_some(3_600_000),
        ..Advance::to(axis, elsewhere.or(known), high)
    }))
}

/// A report on an attempt.
fn invent(world: &mut World, token: Token, canceled: bool) -> Completion {
    let outcome = match world.rng.random_range(0..100) {
        _ if canceled && world.rng.random_ratio(1, 2) => Report::Canceled,
        _ if world.draining => Report::Succeeded { result: None, result_sha256: None },
        n if n < 95 && world.upstream_dead(token) => Report::Failed(fixture::handler_error(true)),
        0..20 => Report::Failed(fixture::handler_error(true)),
        20..30 => Report::Failed(fixture::handler_error(false)),
        30..34 => {
            Report::Failed(orch_core::job::JobError { retry_after_ms: Some(700), ..fixture::handler_error(true) })
        }
        34..38 => Report::Canceled,
        _ => Report::Succeeded { result: Some(serde_json::json!({"ok": true})), result_sha256: Some("0".repeat(64)) },
    };
    let mut follow_ups = Vec::new();
    if !world.draining && matches!(outcome, Report::Succeeded { .. }) && world.chance(120) {
        for _ in 0..world.rng.random_range(1..3) {
            let mut job = submitter::job(world, token.tenant, None);
            job.id_given = false;
            job.deadline = None;
            follow_ups.push(job);
        }
    }
    let reads = matches!(outcome, Report::Succeeded { .. });
    let watermark = if reads { watermark(world, token) } else { None };
    let artifact = world.chance(100).then(|| ArtifactRef {
        media_type: "application/json".to_owned(),
        sha256: "0".repeat(64),
        size_bytes: 2,
        uri: "https://example.org/a".to_owned(),
    });
    Completion {
        token,
        outcome,
        fingerprint: world.rng.random::<u128>().to_be_bytes(),
        artifacts: artifact.into_iter().collect(),
        follow_ups,
        took: took(world),
        watermark,
    }
}
