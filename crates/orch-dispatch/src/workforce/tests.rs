//! How many workers are wanted, and what keeps it from being more.

use orch_core::allotment::{Allotment, Strategy};
use orch_core::blackout::Blackout;
use orch_core::calendar::CalendarRule;
use orch_core::config::{Breaker, Bucket, ConfigDoc, JobType, Source};
use orch_core::fact::PauseTarget;
use orch_core::quota::Quota;
use orch_core::term::Term;

use crate::answer::{Gate, WorkersWanted};
use crate::command::{Actor, Command, ThrottleLimits};
use crate::forecast::tests::{Stage, TENANT, kind};

const TARGET_MS: u64 = 300_000;

fn actor() -> Actor {
    Actor { by: "me".to_owned(), reason: None }
}

/// 600 jobs of ten seconds wait and two are under way: 21 slots would end them in five minutes.
fn busy(doc: JobType) -> Stage {
    let mut stage = Stage::new(doc, 100);
    stage.learn("t", 4, 10_000);
    stage.enqueue("t", None, 602);
    assert_eq!(stage.claim(2).len(), 2);
    stage
}

fn gates(wanted: &WorkersWanted) -> Vec<Gate> {
    wanted.limited_by.iter().map(|limiter| limiter.gate).collect()
}

#[test]
fn what_waits_is_ended_within_the_target() {
    let mut stage = busy(kind(None));
    let wanted = stage.wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, wanted.waiting, wanted.under_way), (21, 600, 2));
    assert_eq!((wanted.mean_ms, wanted.run_times), (Some(10_000), 4));
    assert!((3..=4).contains(&wanted.per_minute), "{}", wanted.per_minute);
    assert_eq!(gates(&wanted), []);
    assert_eq!(stage.wanted("t", 2 * TARGET_MS).desired, 11);
    assert_eq!(stage.wanted("t", 1).desired, 602);
}

#[test]
fn limits_of_what_is_under_way_hold() {
    let wanted = busy(kind(Some(5))).wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, gates(&wanted)), (5, vec![Gate::Concurrency]));
    let mut stage = busy(kind(None));
    stage.declare(ConfigDoc::Quota(Quota { name: "few".into(), active_max: Some(7), ..Quota::default() }));
    let wanted = stage.wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, gates(&wanted)), (7, vec![Gate::Quota]));
    assert_eq!(wanted.limited_by[0].by, "quota `few` has at most 7 attempts");
}

#[test]
fn what_the_platform_allots_and_what_a_host_bears_hold() {
    let mut stage = busy(kind(None));
    let allotment = Allotment { strategy: Strategy::MaxLimit, active_max: Some(9), ..Allotment::default() };
    stage.ask(Command::AllotTenant { tenant: TENANT, allotment, actor: actor() });
    let wanted = stage.wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, gates(&wanted)), (9, vec![Gate::Quota]));
    assert_eq!(wanted.limited_by[0].by, "the platform lets 9 attempts of the tenant be under way");

    let mut stage = Stage::new(kind(None), 100);
    stage.learn("t", 4, 10_000);
    let (name, host) = ("feed".to_owned(), "feed.example".to_owned());
    stage.declare(ConfigDoc::Source(Source {
        name: name.clone(),
        kind: "feed".into(),
        host: Some(host.clone()),
        ..Source::default()
    }));
    let terms = vec![Term::window(10_000, 1_000)];
    stage.declare(ConfigDoc::Bucket(Bucket { name, host, in_flight_max: Some(4), terms, ..Bucket::default() }));
    stage.source = Some("feed".to_owned());
    stage.enqueue("t", None, 602);
    assert_eq!(stage.claim(2).len(), 2);
    let wanted = stage.wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, gates(&wanted)), (4, vec![Gate::Concurrency]));
    assert_eq!(wanted.limited_by[0].by, "bucket `feed` lets 4 attempts be under way at its host");
}

#[test]
fn what_begins_in_an_hour_keeps_few_busy() {
    let mut stage = busy(kind(None));
    stage.declare(ConfigDoc::Quota(Quota { name: "slow".into(), per_hour_max: Some(1_800), ..Quota::default() }));
    let wanted = stage.wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, gates(&wanted)), (5, vec![Gate::Quota]), "one every two seconds, for ten");
}

#[test]
fn keys_are_worked_on_one_by_one() {
    let mut stage = Stage::new(JobType { concurrency_per_key_max: Some(2), ..kind(None) }, 100);
    stage.learn("t", 1, 10_000);
    for key in ["a", "b", "c"] {
        stage.enqueue("t", Some(key), 200);
    }
    assert_eq!(stage.claim(3).len(), 3);
    assert_eq!(stage.wanted("t", TARGET_MS).desired, 6);
}

#[test]
fn what_is_held_wants_nobody_beyond_what_runs() {
    for (gate, command) in [
        (Gate::Paused, Command::Pause { tenant: TENANT, target: PauseTarget::Tenant, actor: actor() }),
        (Gate::Breaker, Command::TripBreaker { tenant: TENANT, breaker: "fuse".into(), actor: actor() }),
    ] {
        let mut stage = busy(kind(None));
        let doc = Breaker { name: "fuse".into(), job_type: Some("t".into()), ..Breaker::default() };
        stage.declare(ConfigDoc::Breaker(doc));
        stage.ask(command);
        let wanted = stage.wanted("t", TARGET_MS);
        assert_eq!((wanted.desired, gates(&wanted)), (2, vec![gate]));
    }
    let mut stage = busy(kind(None));
    let calendar = CalendarRule {
        cron: Some("* * * * *".into()),
        duration_ms: 60_000,
        zone: "UTC".into(),
        ..CalendarRule::default()
    };
    stage.declare(ConfigDoc::Blackout(Box::new(Blackout { name: "dark".into(), calendar, ..Blackout::default() })));
    let wanted = stage.wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, gates(&wanted)), (2, vec![Gate::Blackout]));
}

#[test]
fn a_throttle_limits_what_is_wanted_for_as_long_as_it_holds() {
    let mut stage = busy(kind(None));
    let limits = ThrottleLimits { active_max: None, per_minute_max: Some(18), until: stage.now.plus_ms(60_000) };
    stage.ask(Command::Throttle { tenant: TENANT, target: PauseTarget::Tenant, limits, actor: actor() });
    let wanted = stage.wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, gates(&wanted)), (3, vec![Gate::Throttled]));
    stage.now = stage.now.plus_ms(60_000);
    assert_eq!(stage.wanted("t", TARGET_MS).desired, 21);
}

#[test]
fn nothing_is_known_of_what_never_ended() {
    let mut stage = Stage::new(kind(None), 100);
    assert_eq!(stage.wanted("t", TARGET_MS).desired, 0);
    stage.enqueue("t", None, 5);
    let wanted = stage.wanted("t", TARGET_MS);
    assert_eq!((wanted.desired, wanted.mean_ms, wanted.run_times), (1, None, 0), "one finds out");
}
