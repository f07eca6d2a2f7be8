//! A submitter: it asks for jobs, alone and in batches, with keys and without, and asks again when it learns nothing.

use std::collections::BTreeMap;

use orch_core::ids::{JobId, TenantNo};
use orch_core::job::{Dependency, DependsOn, Priority};
use orch_dispatch::command::{KeyUse, NewJob};
use orch_dispatch::{Answer, Command};
use rand::Rng;

use super::call::Call;
use super::setup::{PROJECT, SOURCE, TYPES};
use super::{Event, Outcome, World};
use crate::fixture;

/// Something that a submitter wants, until it knows that it has it.
#[derive(Debug, Clone)]
struct Intent {
    tenant: TenantNo,
    jobs: Vec<NewJob>,
    key: Option<KeyUse>,
    sent: u32,
    /// Send it again then.
    again_at: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Submitter {
    intents: BTreeMap<u64, Intent>,
    next: u64,
    /// Keys that were used, for using them again.
    used: Vec<Intent>,
}

impl Submitter {
    pub fn new(_number: usize) -> Self {
        Self { intents: BTreeMap::new(), next: 0, used: Vec::new() }
    }

    pub fn turn(&mut self, world: &mut World, who: usize) {
        let mean = world.profile.submit_ms;
        let pause = world.rng.random_range(1..mean * 2);
        world.after(pause, Event::Turn(who));
        let due = |intent: &Intent| intent.again_at.is_some_and(|at| at <= world.t);
        let again: Vec<_> = self.intents.iter().filter(|(_, intent)| due(intent)).map(|(number, _)| *number).collect();
        for number in again {
            self.send(world, who, number);
        }
        if !world.ready || world.draining {
            return;
        }
        if world.model.open_jobs().len() > world.profile.backlog {
            return;
        }
        if world.chance(80)
            && let Some(intent) = self.reuse(world)
        {
            self.begin(world, who, intent);
            return;
        }
        let intent = wish(world);
        if intent.key.is_some() || intent.jobs.iter().any(|job| job.key.is_some()) {
            self.used.push(intent.clone());
        }
        let twin = world.chance(150) && keyed(&intent);
        self.begin(world, who, intent.clone());
        if twin {
            self.begin(world, who, intent);
        }
    }

    /// A key of before, with the same content or with another.
    fn reuse(&mut self, world: &mut World) -> Option<Intent> {
        let recent = self.used.len().min(6);
        let n = world.rng.random_range(0..recent.max(1));
        let mut intent = self.used.iter().rev().nth(n)?.clone();
        intent.sent = 0;
        if world.chance(250) && intent.jobs.iter().all(|job| job.key.is_some()) {
            // The same items under a key for the whole call that is new: only the key is written.
            intent.key = Some(new_key(world));
        } else if world.chance(500) {
            let other = |used: &mut KeyUse, print: u128| used.fingerprint = print.to_be_bytes();
            if let Some(used) = &mut intent.key {
                other(used, world.rng.random());
            }
            for job in &mut intent.jobs {
                if let Some(used) = &mut job.key {
                    other(used, world.rng.random());
                }
                job.id = world.new_job_id();
                job.depends_on.clear();
            }
        }
        Some(intent)
    }

    fn begin(&mut self, world: &mut World, who: usize, intent: Intent) {
        self.next += 1;
        self.intents.insert(self.next, intent);
        self.send(world, who, self.next);
    }

    fn send(&mut self, world: &mut World, who: usize, number: u64) {
        let Some(intent) = self.intents.get_mut(&number) else { return };
        intent.sent += 1;
        intent.again_at = None;
        for job in &mut intent.jobs {
            if !job.id_given {
                job.id = world.new_job_id();
            }
        }
        let command = Command::Enqueue { tenant: intent.tenant, jobs: intent.jobs.clone(), key: intent.key };
        let patience = world.rng.random_range(50..1_500);
        world.send(who, command, number, patience);
    }

    pub fn reply(&mut self, world: &mut World, call: &Call, outcome: Outcome) {
        let Some(intent) = self.intents.get_mut(&call.tag) else { return };
        match outcome {
            Outcome::Answer(Answer::Enqueued(found)) => {
                let tenant = intent.tenant;
                world.known.extend(found.iter().map(|found| (tenant, found.id)));
                self.intents.remove(&call.tag);
            }
            Outcome::Answer(_) => {
                self.intents.remove(&call.tag);
            }
            Outcome::NotDone => intent.again_at = Some(world.t + 20),
            Outcome::Unknown if keyed(intent) && intent.sent < 8 => intent.again_at = Some(world.t),
            Outcome::Unknown => {
                self.intents.remove(&call.tag);
            }
        }
    }
}

/// Everything in it has a key, so that it may be sent again.
fn keyed(intent: &Intent) -> bool {
    intent.key.is_some() || intent.jobs.iter().all(|job| job.key.is_some())
}

fn wish(world: &mut World) -> Intent {
    let tenant = world.any_tenant();
    let many = match world.rng.random_range(0..10) {
        0..6 => 1,
        6..9 => world.rng.random_range(2..5),
        _ => world.rng.random_range(5..12),
    };
    let alike = world.chance(500).then(|| world.rng.random_range(0..TYPES.len()));
    let item_keys = world.chance(500);
    let mut jobs: Vec<_> = (0..many).map(|_| job(world, tenant, alike)).collect();
    for job in &mut jobs {
        job.key = item_keys.then(|| new_key(world));
    }
    inside(world, &mut jobs);
    let key = world.chance(if item_keys { 100 } else { 600 }).then(|| new_key(world));
    if world.chance(30) {
        spoil(world, &mut jobs);
    }
    Intent { tenant, jobs, key, sent: 0, again_at: None }
}

fn new_key(world: &mut World) -> KeyUse {
    let (key, fingerprint): (u128, u128) = (world.rng.random(), world.rng.random());
    KeyUse { key: key.to_be_bytes(), fingerprint: fingerprint.to_be_bytes() }
}

/// A job of a kind that exercises something.
pub(super) fn job(world: &mut World, tenant: TenantNo, of: Option<usize>) -> NewJob {
    let id = world.new_job_id();
    let payload = world.payload();
    let job_type = TYPES[of.unwrap_or_else(|| world.rng.random_range(0..TYPES.len()))];
    let mut job = fixture::new_job(id, job_type, payload);
    job.id_given = world.chance(300);
    if world.chance(250) {
        job.lane.priority = Priority::Urgent;
    }
    if job_type == "keyed" {
        job.lane.concurrency_key = Some(format!("k{}", world.rng.random_range(0..2)));
    }
    if job_type == "slow" && world.chance(600) {
        job.lane.source = Some(SOURCE.to_owned());
    }
    if world.chance(50) {
        job.lane.project = PROJECT.to_owned();
    }
    let now = world.database_now();
    if world.chance(150) {
        job.not_before = Some(now.plus_ms(world.rng.random_range(0..2_500)));
    }
    if world.chance(150) {
        let soon = if world.chance(300) { 60 } else { 6_000 };
        let begin = job.not_before.unwrap_or(now).max(now);
        job.deadline = Some(begin.plus_ms(world.rng.random_range(10..10 + soon)));
    }
    if world.chance(300) {
        for _ in 0..world.rng.random_range(1..4) {
            depend(world, tenant, &mut job);
        }
    }
    job
}

fn edge(world: &mut World, job: JobId) -> Dependency {
    Dependency { job, on: if world.chance(600) { DependsOn::Succeeded } else { DependsOn::Done } }
}

/// One more dependency, rather on a job that is about to end.
fn depend(world: &mut World, tenant: TenantNo, job: &mut NewJob) {
    let ending: Vec<_> = world.ending.iter().filter(|(no, _)| *no == tenant).map(|(_, id)| *id).collect();
    let parent = if !ending.is_empty() && world.chance(500) {
        Some(ending[world.rng.random_range(0..ending.len())])
    } else {
        world.any_job(tenant)
    };
    if let Some(parent) = parent {
        let edge = edge(world, parent);
        job.depends_on.push(edge);
    }
}

/// Dependencies inside a batch, whatever their order in it.
fn inside(world: &mut World, jobs: &mut [NewJob]) {
    if jobs.len() < 2 || world.chance(600) {
        return;
    }
    let first = world.rng.random_range(0..jobs.len());
    jobs[first].id_given = true;
    let parent = jobs[first].id;
    for (n, job) in jobs.iter_mut().enumerate() {
        if n != first && world.chance(500) {
            job.depends_on.push(edge(world, parent));
        }
    }
}

/// Makes a call that must be refused as a whole.
fn spoil(world: &mut World, jobs: &mut [NewJob]) {
    let victim = world.rng.random_range(0..jobs.len());
    match world.rng.random_range(0..5) {
        0 => jobs[victim].lane.job_type = "nobody.knows".to_owned(),
        1 => {
            let stranger = world.new_job_id();
            let edge = edge(world, stranger);
            jobs[victim].depends_on.push(edge);
        }
        2 => {
            jobs[victim].id_given = true;
            let own = jobs[victim].id;
            let edge = edge(world, own);
            jobs[victim].depends_on.push(edge);
        }
        3 => jobs[victim].deadline = Some(orch_core::Timestamp::from_millis(1)),
        _ => jobs[victim].lane.source = Some("nobody.knows".to_owned()),
    }
}
