//! An operator: it cancels, retries, settles dead letters, pauses, resumes, changes what is declared, and looks.

use orch_core::allotment::{Allotment, Strategy};
use orch_core::config::ConfigKind;
use orch_core::fact::PauseTarget;
use orch_core::ids::{JobId, LaneNo, TenantNo, TokenId};
use orch_core::job::{JobState, Priority};
use orch_core::port::TokenRow;
use orch_core::time::Timestamp;
use orch_core::watermark::{Axis, Range, Watermark};
use orch_dispatch::command::{Actor, Expect, KeyUse, Read, ThrottleLimits};
use orch_dispatch::{Answer, Command};
use rand::Rng;

use super::call::Call;
use super::setup::{self, SOURCE, TYPES};
use super::{Event, Outcome, World, worker};
use crate::model::{Job, Phase, Tenant};

#[derive(Debug, Default)]
pub(super) struct Operator {
    /// Ends of what it asked for.
    undo: Vec<Command>,
}

fn actor() -> Actor {
    Actor { by: "operator".to_owned(), reason: None }
}

impl Operator {
    pub fn turn(&mut self, world: &mut World, who: usize) {
        let pause = world.rng.random_range(20..400);
        world.after(pause, Event::Turn(who));
        if !world.ready {
            return;
        }
        let patience = world.rng.random_range(50..2_000);
        if world.draining {
            for command in resume_all(world) {
                world.send(who, command, 0, patience);
            }
        } else if let Some(command) = self.wish(world) {
            self.undo.extend(end_of(&command));
            let twice = world.chance(100);
            world.send(who, command.clone(), 0, patience);
            if twice {
                // The edge makes ids anew for each sending.
                let again = match command {
                    Command::Retry { tenant, job, key, .. } => {
                        Command::Retry { tenant, job, new_id: world.new_job_id(), key }
                    }
                    Command::ReplayDeadLetter { tenant, job, actor, .. } => {
                        Command::ReplayDeadLetter { tenant, job, new_id: world.new_job_id(), actor }
                    }
                    command => command,
                };
                world.send(who, again, 0, patience);
            }
        }
    }

    pub fn reply(&mut self, world: &mut World, call: &Call, outcome: Outcome) {
        if let (
            Outcome::Answer(Answer::Again(id)),
            Command::Retry { tenant, .. } | Command::ReplayDeadLetter { tenant, .. },
        ) = (outcome, call.command.as_ref())
        {
            world.known.push((*tenant, id));
        }
    }

    fn wish(&mut self, world: &mut World) -> Option<Command> {
        // Few worlds have a marked tenant, and few of those come to it again by chance.
        let marked = world.model.tenants.iter().find(|(_, tenant)| tenant.marked).map(|(no, _)| *no);
        if let Some(tenant) = marked.filter(|_| world.chance(50)) {
            return Some(Command::RestoreTenant { tenant, actor: actor() });
        }
        // By chance alone few of them would meet what there is to end.
        if !self.undo.is_empty() && world.chance(60) {
            return self.undo.pop();
        }
        let tenant = world.any_tenant();
        Some(match world.rng.random_range(0..100) {
            0..25 => {
                // Those that only the ledger knows are the ones that a window read may be showing.
                let ready = if world.chance(700) { fresh(world, tenant) } else { None };
                Command::Cancel { tenant, job: ready.or_else(|| target(world, tenant))?, actor: actor() }
            }
            25..40 => {
                let key = world.chance(500).then(|| KeyUse {
                    key: world.rng.random::<u128>().to_be_bytes(),
                    fingerprint: world.rng.random::<u128>().to_be_bytes(),
                });
                let job = waiting(world, tenant, JobState::Scheduled).or_else(|| target(world, tenant))?;
                Command::Retry { tenant, job, new_id: world.new_job_id(), key }
            }
            40..50 => {
                let job = waiting(world, tenant, JobState::Failed).or_else(|| target(world, tenant))?;
                if world.chance(600) {
                    Command::ReplayDeadLetter { tenant, job, new_id: world.new_job_id(), actor: actor() }
                } else {
                    Command::DiscardDeadLetter { tenant, job, actor: actor() }
                }
            }
            50..60 => Command::Pause { tenant, target: pause_target(world, tenant), actor: actor() },
            60..70 => {
                let held = world.model.tenants.get(&tenant)?.pauses.first().cloned();
                let target = held.unwrap_or_else(|| pause_target(world, tenant));
                Command::Resume { tenant, target, actor: actor() }
            }
            70..78 if world.chance(250) => delete_any(world, tenant),
            70..78 => {
                let doc = if world.chance(200) {
                    setup::source(world)
                } else if world.chance(150) {
                    setup::bucket(world)
                } else if world.chance(200) {
                    let name = setup::QUOTAS[world.rng.random_range(0..setup::QUOTAS.len())];
                    if world.chance(400) {
                        return Some(delete(tenant, ConfigKind::Quota, name));
                    }
                    setup::quota(world, name)
                } else if world.profile.breakers.is_some() && world.chance(200) {
                    let name = any_breaker(world);
                    setup::breaker(world, name)
                } else if world.chance(60) {
                    setup::schedule(world)
                } else if world.chance(300) {
                    setup::blackout(world)
                } else {
                    let name = TYPES[world.rng.random_range(0..TYPES.len())];
                    setup::job_type(world, name)
                };
                let expect =
                    if world.chance(800) { Expect::Any } else { Expect::Version(world.rng.random_range(1..4)) };
                Command::PutConfig { tenant, doc, expect }
            }
            78..84 => Command::Read(question(world, tenant)),
            84..90 => {
                let job = waiting(world, tenant, JobState::Ready).or_else(|| target(world, tenant))?;
                let priority = any_priority(world);
                Command::Reprioritize { tenant, job, priority, actor: actor() }
            }
            90..94 => throttle(world, tenant),
            94 if world.chance(400) => {
                let any = setup::SCHEDULES[world.rng.random_range(0..setup::SCHEDULES.len())].to_owned();
                let mut schedules = world.model.tenants.get(&tenant)?.schedules.iter();
                let paused = schedules.find(|(_, course)| course.is_paused()).map(|(name, _)| name.clone());
                let pause = paused.is_none();
                Command::PauseSchedule { tenant, schedule: paused.unwrap_or(any), pause, actor: actor() }
            }
            94 if world.chance(500) => put_watermark(world, tenant),
            94 => trip_or_reset(world, tenant),
            95 if world.chance(500) => allot(world, tenant),
            95 => token(world, tenant),
            96 if world.chance(700) => put_watermark(world, tenant),
            96 => Command::ResetBucket { tenant, bucket: setup::BUCKET.to_owned(), actor: actor() },
            97..99 => deletion(world)?,
            _ => {
                let n: u16 = world.rng.random();
                setup::tenant(world, format!("late-{n}"))
            }
        })
    }
}

fn token(world: &mut World, tenant: TenantNo) -> Command {
    let at = world.database_now();
    let row = TokenRow {
        id: TokenId::v7(at, world.rng.random()),
        tenant,
        name: "a token".to_owned(),
        secret_sha256: [7; 32],
        scopes: vec!["orch:read".to_owned()],
        created_at: at,
        expires_at: None,
        revoked_at: None,
    };
    Command::CreateToken(row)
}

/// The mark of a tenant that came late and has no work, or the way back.
fn deletion(world: &mut World) -> Option<Command> {
    let late: Vec<_> =
        world.model.tenants.keys().filter(|no| **no > super::tenant_no(world.profile.tenants)).copied().collect();
    let is_marked = |world: &World, no: &TenantNo| world.model.tenants.get(no).is_some_and(|tenant| tenant.marked);
    // The way back is rare enough: whoever is marked comes first.
    let first = late.iter().find(|no| is_marked(world, no)).copied().filter(|_| world.rng.random_ratio(1, 2));
    let tenant = first.or_else(|| late.get(world.rng.random_range(0..late.len().max(1))).copied())?;
    let marked = is_marked(world, &tenant);
    Some(if world.chance(if marked { 200 } else { 800 }) {
        Command::MarkTenant { tenant, actor: actor() }
    } else {
        Command::RestoreTenant { tenant, actor: actor() }
    })
}

fn delete(tenant: TenantNo, kind: ConfigKind, name: &str) -> Command {
    Command::DeleteConfig { tenant, kind, name: name.to_owned(), expect: Expect::Any, actor: actor() }
}

/// The bucket, a breaker or a blackout is declared no more.
fn delete_any(world: &mut World, tenant: TenantNo) -> Command {
    let kinds = [
        (ConfigKind::Bucket, &[setup::BUCKET][..]),
        (ConfigKind::Breaker, &setup::BREAKERS[..]),
        (ConfigKind::Blackout, &setup::BLACKOUTS[..]),
        (ConfigKind::Schedule, &setup::SCHEDULES[..]),
    ];
    let (kind, names) = kinds[world.rng.random_range(0..kinds.len())];
    delete(tenant, kind, names[world.rng.random_range(0..names.len())])
}

/// A share beside others. The weight stays: by that the turns at shared hosts are judged.
fn allot(world: &mut World, tenant: TenantNo) -> Command {
    let usual = Allotment::default();
    let some = Some(world.rng.random_range(1..5));
    let allotment = match world.rng.random_range(0..5) {
        0 => usual,
        1 => Allotment { strategy: Strategy::Priority, priority: some, ..usual },
        2 => Allotment { strategy: Strategy::Reserved, reserved: some, ..usual },
        _ => Allotment { strategy: Strategy::MaxLimit, active_max: some, ..usual },
    };
    Command::AllotTenant { tenant, allotment, actor: actor() }
}

/// A watermark is set, rather back than on: so a source is read again.
fn put_watermark(world: &mut World, tenant: TenantNo) -> Command {
    let moved = world.model.tenants.get(&tenant).and_then(|tenant| tenant.watermarks.keys().next());
    let axis = moved.map_or(Axis::Modified, |(_, axis)| *axis);
    let known = world.model.tenants.get(&tenant).map(|tenant| tenant.watermark(SOURCE, axis).watermark);
    let at = known.and_then(|watermark| watermark.high).unwrap_or(worker::EVENTS_BEGIN);
    let minutes = |at: Timestamp, n: i64| Timestamp::from_millis(at.millis() + n * 60_000);
    let high = world.chance(900).then(|| minutes(at, world.rng.random_range(-40..10)));
    let low = high.map(|high| minutes(high, -world.rng.random_range(0..3_000)));
    let hole = low.zip(high).filter(|_| world.chance(300)).map(|(from, to)| Range { from, to });
    let holes = hole.filter(|hole| hole.from < hole.to).into_iter().collect();
    let (lateness_ms, repairs) = (world.rng.random_range(0..3_600_000), Vec::new());
    let watermark = Watermark { high, holes, lateness_ms, low, repairs };
    let expect = if world.chance(800) { Expect::Any } else { Expect::Version(world.rng.random_range(1..4)) };
    Command::PutWatermark { tenant, source: SOURCE.to_owned(), axis, watermark, expect, actor: actor() }
}

/// A breaker is opened; or closed, rather if it is open.
fn trip_or_reset(world: &mut World, tenant: TenantNo) -> Command {
    let breaker = any_breaker(world).to_owned();
    let tripped = world.model.tenants.get(&tenant).and_then(|tenant| tenant.breakers.get(&breaker));
    let tripped = tripped.is_some_and(|breaker| breaker.phase == Phase::Tripped);
    if world.chance(if tripped { 100 } else { 700 }) {
        Command::TripBreaker { tenant, breaker, actor: actor() }
    } else {
        Command::ResetBreaker { tenant, breaker, actor: actor() }
    }
}

fn any_breaker(world: &mut World) -> &'static str {
    setup::BREAKERS[world.rng.random_range(0..setup::BREAKERS.len())]
}

/// Whatever is paused goes on, what somebody tripped is reset, and quotas and schedules end: what began within an hour
/// would hold too long, and there would always be something new.
fn resume_all(world: &World) -> Vec<Command> {
    let of = |(no, tenant): (&TenantNo, &Tenant)| {
        let tenant_no = *no;
        let paused = tenant.pauses.iter().cloned();
        let resumes = paused.map(move |target| Command::Resume { tenant: tenant_no, target, actor: actor() });
        let tripped = tenant.breakers.iter().filter(|(_, breaker)| breaker.phase == Phase::Tripped);
        let resets = tripped.map(move |(name, _)| {
            let breaker = name.clone();
            Command::ResetBreaker { tenant: tenant_no, breaker, actor: actor() }
        });
        let ends = |kind: &ConfigKind| matches!(kind, ConfigKind::Quota | ConfigKind::Schedule);
        let quotas = tenant.configs.keys().filter(move |(kind, _)| ends(kind));
        let deletes = quotas.map(move |(kind, name)| delete(tenant_no, *kind, name));
        let stopped = tenant.schedules.iter().filter(|(_, course)| course.is_paused());
        let goes_on = stopped.map(move |(name, _)| {
            let schedule = name.clone();
            Command::PauseSchedule { tenant: tenant_no, schedule, pause: false, actor: actor() }
        });
        resumes.chain(resets).chain(goes_on).chain(deletes).collect::<Vec<_>>()
    };
    world.model.tenants.iter().flat_map(of).collect()
}

/// A job to do something to: known, or (rarely) of another tenant, or nobody's.
fn target(world: &mut World, tenant: TenantNo) -> Option<JobId> {
    match world.rng.random_range(0..20) {
        0 => Some(world.new_job_id()),
        1 => {
            let other = world.any_tenant();
            world.any_job(other)
        }
        2..8 => waiting(world, tenant, JobState::Ready).or_else(|| world.any_job(tenant)),
        _ => world.any_job(tenant),
    }
}

/// A job in this state, if there is one.
fn waiting(world: &mut World, tenant: TenantNo, state: JobState) -> Option<JobId> {
    any_of(world, tenant, |job| job.state == state && !job.settled)
}

/// A job that waits in its lane and that only the ledger knows.
fn fresh(world: &mut World, tenant: TenantNo) -> Option<JobId> {
    any_of(world, tenant, |job| job.state == JobState::Ready && job.fresh && job.attempt == 0)
}

fn any_of(world: &mut World, tenant: TenantNo, which: impl Fn(&Job) -> bool) -> Option<JobId> {
    let jobs = &world.model.tenants.get(&tenant)?.jobs;
    let all: Vec<_> = jobs.iter().filter(|(_, job)| which(job)).map(|(id, _)| *id).collect();
    (!all.is_empty()).then(|| all[world.rng.random_range(0..all.len())])
}

fn pause_target(world: &mut World, tenant: TenantNo) -> PauseTarget {
    let lanes = world.model.tenants.get(&tenant).map_or(0, |tenant| tenant.lanes.len());
    match world.rng.random_range(0..5) {
        0 => PauseTarget::Tenant,
        4 => PauseTarget::Quota(setup::QUOTAS[world.rng.random_range(0..setup::QUOTAS.len())].to_owned()),
        1 => PauseTarget::Source(SOURCE.to_owned()),
        2 => PauseTarget::JobType(TYPES[world.rng.random_range(0..TYPES.len())].to_owned()),
        _ => PauseTarget::Lane(LaneNo(u32::try_from(world.rng.random_range(0..=lanes + 1)).unwrap_or(0))),
    }
}

fn any_priority(world: &mut World) -> Priority {
    Priority::ALL[world.rng.random_range(0..Priority::ALL.len())]
}

/// What ends what a command asks for.
fn end_of(command: &Command) -> Option<Command> {
    match command {
        Command::Throttle { tenant, target, .. } => {
            Some(Command::EndThrottle { tenant: *tenant, target: target.clone(), actor: actor() })
        }
        Command::Prioritize { tenant, target, .. } => {
            Some(Command::EndPriority { tenant: *tenant, target: target.clone(), actor: actor() })
        }
        Command::CreateToken(row) => Some(Command::RevokeToken { tenant: row.tenant, row: row.clone() }),
        _ => None,
    }
}

/// A target is held to limits for some seconds, or no more; or it has another priority for so long.
fn throttle(world: &mut World, tenant: TenantNo) -> Command {
    let target = pause_target(world, tenant);
    if world.chance(250) {
        if world.chance(300) {
            return Command::EndPriority { tenant, target, actor: actor() };
        }
        let priority = any_priority(world);
        let until = world.database_now().plus_ms(world.rng.random_range(0..6_000));
        return Command::Prioritize { tenant, target, priority, until, actor: actor() };
    }
    if world.chance(200) {
        return Command::EndThrottle { tenant, target, actor: actor() };
    }
    let mut number = |chance, most| world.chance(chance).then(|| world.rng.random_range(1..most));
    let (active_max, per_minute_max) = (number(600, 3), number(500, 8));
    let active_max = active_max.or_else(|| per_minute_max.is_none().then_some(1));
    // The world's clocks differ: what is over already is refused.
    let until = world.database_now().plus_ms(world.rng.random_range(0..6_000));
    Command::Throttle { tenant, target, limits: ThrottleLimits { active_max, per_minute_max, until }, actor: actor() }
}

fn question(world: &mut World, tenant: TenantNo) -> Read {
    match world.rng.random_range(0..8) {
        0..3 => {
            let ids = (0..4).filter_map(|_| world.any_job(tenant)).collect();
            Read::Jobs { tenant, ids }
        }
        3 => Read::Summary(tenant),
        4 => Read::Lanes(tenant),
        5 => {
            let states = [JobState::Blocked, JobState::Scheduled, JobState::Leased, JobState::Running];
            Read::OpenJobs { tenant, state: states[world.rng.random_range(0..4)], before: None, limit: 20 }
        }
        6 if world.database_now().millis() % 2 == 0 => Read::Watermarks { tenant, source: None },
        6 => Read::Configs { tenant, kind: ConfigKind::JobType },
        // Either is asked without another draw.
        _ if world.database_now().millis() % 2 == 0 => Read::WorkersWanted { tenant, job_type: None, target_ms: 1 },
        _ => Read::Workers(tenant),
    }
}
