//! The first client: it makes the tenants and what they declare, one call after another, then lets the others begin.

use std::collections::VecDeque;

use orch_core::blackout::{Blackout, BlackoutAction};
use orch_core::calendar::CalendarRule;
use orch_core::concurrency::PerKeyStrategy;
use orch_core::config::{Breaker, Bucket, ConfigDoc, JobType, Project, Source};
use orch_core::ids::{TenantId, TenantNo};
use orch_core::port::TenantRow;
use orch_core::quota::Quota;
use orch_core::schedule::{Misfire, Overlap, Schedule, ScheduledJob, Timetable};
use orch_core::term::Term;
use orch_core::time::Timestamp;
use orch_dispatch::Command;
use orch_dispatch::command::Expect;
use rand::Rng;

use super::call::Call;
use super::{Event, Outcome, World};

/// The job types of every tenant.
pub(super) const TYPES: [&str; 3] = ["quick", "keyed", "slow"];

/// How jobs of a key get along; mostly they wait.
const STRATEGIES: [PerKeyStrategy; 5] = [
    PerKeyStrategy::Queue,
    PerKeyStrategy::Queue,
    PerKeyStrategy::Queue,
    PerKeyStrategy::DropNewest,
    PerKeyStrategy::CancelRunning,
];

/// The source that some of the work is for.
pub(super) const SOURCE: &str = "upstream";

/// Its host.
pub(super) const HOST: &str = "upstream.example";

/// The bucket of its host.
pub(super) const BUCKET: &str = "upstream";

/// The breakers: of its host, and of a job type.
pub(super) const BREAKERS: [&str; 2] = ["upstream", "quick"];
/// Names of schedules.
pub(super) const SCHEDULES: [&str; 2] = ["feed", "report"];
/// Names of blackouts.
pub(super) const BLACKOUTS: [&str; 2] = ["freeze", "upkeep"];

/// A project beside the default one.
pub(super) const PROJECT: &str = "side";

#[derive(Debug)]
pub(super) struct Setup {
    todo: VecDeque<Command>,
    waiting: bool,
}

/// A job type as the world likes it: everything short, limits low.
pub(super) fn job_type(world: &mut World, name: &str) -> ConfigDoc {
    let rng = &mut world.rng;
    let doc = JobType {
        backoff_ms: rng.random_range(20..400),
        backoff_ms_max: rng.random_range(400..1_500),
        cancel_grace_ms: [0, 300, 900, 2_000][rng.random_range(0..4)],
        concurrency_max: (name == "slow" || rng.random_ratio(1, 4)).then(|| rng.random_range(1..5)),
        concurrency_per_key_max: (name == "keyed").then(|| rng.random_range(1..3)),
        concurrency_per_key_strategy: match name {
            "keyed" => STRATEGIES[rng.random_range(0..STRATEGIES.len())],
            _ => PerKeyStrategy::Queue,
        },
        cost: if rng.random_ratio(1, 4) { 2 } else { 1 },
        execution_ms_max: rng.random_range(1_500..8_000),
        lease_ms: if rng.random_ratio(1, 3) { rng.random_range(3_500..7_000) } else { rng.random_range(1_000..2_500) },
        lost_max: rng.random_range(1..4),
        tries_max: rng.random_range(1..4),
        ..JobType::named(name)
    };
    ConfigDoc::JobType(doc)
}

/// The source, with a limit or without.
pub(super) fn source(world: &mut World) -> ConfigDoc {
    let concurrency_max = world.rng.random_ratio(1, 2).then(|| world.rng.random_range(1..4));
    // Without a host it has no bucket.
    let host = world.rng.random_ratio(3, 4).then(|| HOST.to_owned());
    let (name, kind) = (SOURCE.to_owned(), "osv".to_owned());
    ConfigDoc::Source(Source { name, kind, host, concurrency_max, ..Source::default() })
}

/// The bucket of the source's host, mostly with short windows. Long ones have a guard that covers a lease's way, so that
/// requests leave at once.
pub(super) fn bucket(world: &mut World) -> ConfigDoc {
    let rng = &mut world.rng;
    let long = rng.random_ratio(1, 5);
    let terms = (0..rng.random_range(1..3)).map(|_| {
        let (limit, window_ms) = if long {
            (rng.random_range(10..30), rng.random_range(6_000..9_000))
        } else {
            (rng.random_range(2..8), rng.random_range(100..1_500))
        };
        let burst = rng.random_ratio(1, 3).then(|| rng.random_range(2..=limit));
        Term { burst, limit, window_ms }
    });
    let terms = terms.collect();
    let in_flight_max = rng.random_ratio(1, 2).then(|| rng.random_range(1..6));
    let ramp_ms = if rng.random_ratio(3, 4) { 10_000 } else { Bucket::default().ramp_ms };
    let urgent_reserve_percent = reserve(rng);
    let (name, host, latency_cut) = (BUCKET.to_owned(), HOST.to_owned(), rng.random_ratio(4, 5));
    let terms_and_more = Bucket { in_flight_max, ramp_ms, latency_cut, urgent_reserve_percent, ..Bucket::default() };
    ConfigDoc::Bucket(Bucket { name, host, terms, ..terms_and_more })
}

/// What a bucket keeps for urgent work: its limits are so low that the usual is none.
pub(super) fn reserve(rng: &mut impl Rng) -> u32 {
    if rng.random_ratio(1, 2) { Bucket::default().urgent_reserve_percent } else { rng.random_range(20..=50) }
}

/// Names of the quotas.
pub(super) const QUOTAS: [&str; 4] = ["all", "side", "keyed", "hourly"];

/// A quota as the world likes it: low.
pub(super) fn quota(world: &mut World, name: &str) -> ConfigDoc {
    let rng = &mut world.rng;
    let mut doc = Quota { name: name.to_owned(), ..Quota::default() };
    match name {
        "all" => doc.active_max = Some(rng.random_range(3..9)),
        "side" => {
            doc.project = Some(PROJECT.to_owned());
            doc.active_max = Some(rng.random_range(1..3));
            doc.reserved = rng.random_ratio(1, 2).then_some(1);
        }
        "keyed" => {
            doc.job_type = Some("keyed".to_owned());
            doc.backlog_max = Some(rng.random_range(2..12));
            doc.weight = Some(rng.random_range(1..4));
        }
        _ => {
            doc.job_type = Some("quick".to_owned());
            let per_hour = rng.random_range(6..60);
            doc.per_hour_max = Some(per_hour);
            doc.burst = rng.random_ratio(1, 3).then(|| rng.random_range(2..=per_hour));
        }
    }
    ConfigDoc::Quota(doc)
}

/// One of the breakers, quick to open and to close.
pub(super) fn breaker(world: &mut World, name: &str) -> ConfigDoc {
    let rng = &mut world.rng;
    // Now and then it governs something else than its name says.
    let host = (name == BREAKERS[0]) != rng.random_ratio(1, 10);
    let open_ms = rng.random_range(50..900);
    ConfigDoc::Breaker(Breaker {
        failures_percent: rng.random_range(20..60),
        host: host.then(|| HOST.to_owned()),
        job_type: (!host).then(|| TYPES[0].to_owned()),
        name: name.to_owned(),
        open_ms,
        open_ms_max: rng.random_range(open_ms..2_500),
        outcomes_min: rng.random_range(1..4),
        ramp_max: rng.random_range(1..5),
        window_ms: if rng.random_ratio(1, 2) { 10_000 } else { rng.random_range(1_000..20_000) },
        ..Breaker::default()
    })
}

/// A blackout with windows of a second or so that come every few seconds; the judge reckons them for itself.
pub(super) fn blackout(world: &mut World) -> ConfigDoc {
    let rng = &mut world.rng;
    let every = [5, 7, 11, 13][rng.random_range(0..4)];
    let duration_ms = rng.random_range(100..1_500);
    let (cron, zone) = (Some(format!("*/{every} * * * * *")), "UTC".to_owned());
    let calendar = CalendarRule { cron, duration_ms, zone, ..CalendarRule::default() };
    let action = [BlackoutAction::Hold, BlackoutAction::Drain, BlackoutAction::Cancel][rng.random_range(0..3)];
    let lead_ms = if action == BlackoutAction::Drain { rng.random_range(1..900) } else { 0 };
    let name = BLACKOUTS[rng.random_range(0..BLACKOUTS.len())].to_owned();
    let doc = Blackout { action, calendar, lead_ms, name, ..Blackout::default() };
    let job_type = TYPES[rng.random_range(0..TYPES.len())].to_owned();
    ConfigDoc::Blackout(Box::new(match rng.random_range(0..5) {
        0 => doc,
        1 => Blackout { host: Some(HOST.to_owned()), ..doc },
        2 => Blackout { job_type: Some(job_type), source: Some(SOURCE.to_owned()), ..doc },
        _ => Blackout { job_type: Some(job_type), ..doc },
    }))
}

/// A schedule that comes every few seconds; the judge reckons its instants for itself.
pub(super) fn schedule(world: &mut World) -> ConfigDoc {
    let rng = &mut world.rng;
    let seconds = rng.random_range(1..6);
    let timetable = if rng.random_ratio(1, 2) {
        Timetable { every_ms: Some(seconds * 1_000), ..Timetable::default() }
    } else {
        Timetable { cron: Some(format!("*/{} * * * * *", [2, 3, 7][rng.random_range(0..3)])), ..Timetable::default() }
    };
    let source = rng.random_ratio(1, 3).then(|| SOURCE.to_owned());
    let deadline_ms = rng.random_ratio(1, 4).then(|| rng.random_range(1_000..4_000));
    let job_type = TYPES[rng.random_range(0..TYPES.len())].to_owned();
    let payload = "{}".to_owned();
    ConfigDoc::Schedule(Box::new(Schedule {
        catch_up_ms: rng.random_range(0..30_000),
        failures_max: rng.random_ratio(1, 3).then(|| rng.random_range(1..4)),
        job: Some(ScheduledJob { deadline_ms, job_type, payload, source, ..ScheduledJob::default() }),
        misfire: Misfire::ALL[rng.random_range(0..Misfire::ALL.len())],
        name: SCHEDULES[rng.random_range(0..SCHEDULES.len())].to_owned(),
        overlap: Overlap::ALL[rng.random_range(0..Overlap::ALL.len())],
        timetable,
        ..Schedule::default()
    }))
}

/// A tenant to be.
pub(super) fn tenant(world: &mut World, name: String) -> Command {
    let at = Timestamp::from_millis(world.t);
    let id = TenantId::v7(at, world.rng.random());
    let shard = super::SHARD;
    Command::CreateTenant(TenantRow { no: TenantNo(0), id, name, shard, created_at: at })
}

impl Setup {
    pub fn new(world: &mut World) -> Self {
        let mut todo = VecDeque::new();
        for tenant in world.tenants() {
            todo.push_back(self::tenant(world, format!("tenant-{}", tenant.0)));
        }
        for tenant in world.tenants() {
            let mut docs: Vec<_> = TYPES.iter().map(|name| job_type(world, name)).collect();
            docs.push(source(world));
            docs.push(bucket(world));
            for name in QUOTAS {
                if world.chance(300) {
                    docs.push(quota(world, name));
                }
            }
            if world.profile.breakers.is_some() {
                docs.extend(BREAKERS.map(|name| breaker(world, name)));
            }
            if world.chance(400) {
                docs.push(blackout(world));
            }
            if world.chance(250) {
                docs.push(schedule(world));
            }
            docs.push(ConfigDoc::Project(Project { name: PROJECT.to_owned(), ..Project::default() }));
            todo.extend(docs.into_iter().map(|doc| Command::PutConfig { tenant, doc, expect: Expect::Any }));
        }
        Self { todo, waiting: false }
    }

    pub fn turn(&mut self, world: &mut World, who: usize) {
        if self.waiting || world.ready {
            return;
        }
        match self.todo.front().cloned() {
            Some(command) => {
                self.waiting = true;
                world.send(who, command, 0, 1_000);
            }
            None => {
                world.ready = true;
                world.after(500, Event::Fault);
            }
        }
    }

    pub fn reply(&mut self, world: &mut World, who: usize, _call: &Call, outcome: Outcome) {
        self.waiting = false;
        if matches!(outcome, Outcome::Answer(_)) {
            self.todo.pop_front();
        }
        let pause = if matches!(outcome, Outcome::Answer(_)) { 0 } else { 50 };
        world.after(pause, Event::Turn(who));
    }
}
