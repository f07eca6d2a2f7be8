//! What would happen, where every attempt takes as long as the last, so that it is exact; and that nothing happens.

use orch_core::backfill::BackfillSpec;
use orch_core::config::{ConfigDoc, JobType, Source};
use orch_core::fact::PauseTarget;
use orch_core::schedule::ScheduledJob;
use orch_core::watermark::{Axis, Range, Watermark};

use super::*;
use crate::answer::Answer;
use crate::command::{Actor, AskedBackfill, Expect, Read};
use crate::forecast::tests::{START, Stage, TENANT, kind};

const HOUR_MS: u64 = 3_600_000;

/// Event times lie before the world.
fn event(hour: i64) -> Timestamp {
    Timestamp::from_millis(START.millis() - 100 * 3_600_000 + hour * 3_600_000)
}

fn spec(hours: i64) -> BackfillSpec {
    BackfillSpec {
        by: "op".to_owned(),
        from: event(0),
        to: event(hours),
        job: Some(ScheduledJob { job_type: "t".into(), payload: "{}".into(), ..ScheduledJob::default() }),
        parallelism: 2,
        reason: "r".to_owned(),
        source: "kev".to_owned(),
        ticket: "T-1".to_owned(),
        window_ms: HOUR_MS,
        ..BackfillSpec::default()
    }
}

/// Attempts take ten seconds, and the worker takes so many.
fn stage(capacity: u32) -> Stage {
    let mut stage = Stage::new(kind(None), capacity);
    stage.declare(ConfigDoc::Source(Source {
        name: "kev".to_owned(),
        host: Some("kev.example".to_owned()),
        ..Source::default()
    }));
    stage.learn("t", 5, 10_000);
    stage.announce();
    stage
}

fn copied(stage: &mut Stage) -> Copied {
    match stage.ask(Command::Read(Read::Copy(TENANT))) {
        Answer::Copied(copied) => *copied,
        answer => panic!("{answer:?}"),
    }
}

fn scenario() -> Scenario {
    Scenario { horizon_ms: 30 * 86_400_000, samples: 3, facts: 100_000, ..Scenario::default() }
}

fn took(simulated: &Simulated, parts: usize) -> Option<u64> {
    Some(simulated.ended_by(parts)?.ms_since(simulated.now))
}

#[test]
fn a_preview_says_what_would_be_read_and_when_it_would_end() {
    let mut stage = stage(100);
    let copied = copied(&mut stage);
    let before = stage.shard.save();
    let seen = preview(&copied, TENANT, spec(10), &scenario()).unwrap();
    assert_eq!((seen.windows, seen.read, seen.asked), (10, 0, 10));
    assert_eq!(seen.first[..2], [Range { from: event(0), to: event(1) }, Range { from: event(1), to: event(2) }]);
    assert_eq!(seen.host, Some(("kev.example".to_owned(), 10)));
    assert_eq!(seen.warnings, []);
    // Five rounds of two, ten seconds each, and the way of each.
    let took = took(&seen.simulated, 500).unwrap();
    assert!((50_000..50_100).contains(&took), "{took}");
    assert_eq!(seen.simulated.samples[0].attempts, 10);
    assert_eq!(stage.shard.save(), before, "nothing happened");
    assert_eq!(preview(&copied, TENANT, spec(10), &scenario()).unwrap(), seen, "it is the same each time");
}

#[test]
fn what_was_read_is_left_out_and_what_is_in_the_way_is_said() {
    let mut stage = stage(100);
    let (source, actor) = ("kev".to_owned(), Actor { by: "op".to_owned(), reason: None });
    let hole = Range { from: event(3), to: event(4) };
    let watermark = Watermark { high: Some(event(6)), holes: vec![hole], low: Some(event(2)), ..Watermark::default() };
    let (axis, expect) = (Axis::Published, Expect::Any);
    stage.ask(Command::PutWatermark { tenant: TENANT, source, axis, watermark, expect, actor: actor.clone() });
    let target = PauseTarget::Source("kev".to_owned());
    stage.ask(Command::Pause { tenant: TENANT, target: target.clone(), actor });
    let seen = preview(&copied(&mut stage), TENANT, spec(10), &scenario()).unwrap();
    assert_eq!((seen.windows, seen.read, seen.asked), (10, 3, 7));
    let codes: Vec<_> = seen.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["source_paused", "takes_long"]);
    assert_eq!(seen.simulated.ended_by(500), None, "as things are, it never ends");
    let held: Vec<_> = seen.simulated.samples[0].held_ms.keys().map(|holder| holder.gate).collect();
    assert!(held.is_empty() || held == [Gate::Paused], "{held:?}");
}

#[test]
fn fresh_work_goes_first_and_more_workers_make_it_faster() {
    let mut stage = stage(2);
    stage.enqueue("t", None, 6);
    stage.source = Some("kev".to_owned());
    let copied = copied(&mut stage);
    let seen = preview(&copied, TENANT, spec(4), &scenario()).unwrap();
    // Three rounds of others, then two of its own.
    let alone = took(&seen.simulated, 500).unwrap();
    assert!((50_000..50_200).contains(&alone), "{alone}");
    let [backfill, others] = seen.simulated.samples[0].waits;
    assert_eq!((backfill.jobs, others.jobs), (4, 0), "when those of before became ready is not known");
    assert!(backfill.p95_ms >= 30_000, "{backfill:?}");
    let held = &seen.simulated.samples[0].held_ms;
    assert!(held.values().all(|ms| *ms <= alone) && !held.is_empty(), "each moment counts once: {held:?}");
    let workers = vec![MoreWorkers { count: 3, capacity: 4, job_types: vec!["t".to_owned()] }];
    let more = preview(&copied, TENANT, spec(4), &Scenario { workers, ..scenario() }).unwrap();
    let took = took(&more.simulated, 500).unwrap();
    assert!((20_000..20_100).contains(&took), "{took}");
}

#[test]
fn a_limit_is_tried_before_it_is_set_and_a_refusal_is_said() {
    let mut stage = stage(100);
    stage.enqueue("t", None, 8);
    let copied = copied(&mut stage);
    let as_it_is = simulate(&copied, TENANT, &scenario()).unwrap();
    assert!((10_000..10_100).contains(&took(&as_it_is, 500).unwrap()));
    let doc = ConfigDoc::JobType(JobType { concurrency_max: Some(2), ..JobType::named("t") });
    let changes = vec![Command::PutConfig { tenant: TENANT, doc, expect: Expect::Any }];
    let limited = simulate(&copied, TENANT, &Scenario { changes, ..scenario() }).unwrap();
    let took = took(&limited, 500).unwrap();
    assert!((40_000..40_200).contains(&took), "{took}");
    let held = &limited.samples[0].held_ms;
    let holder = Holder { gate: Gate::Concurrency, of: "t".to_owned() };
    assert!(held.get(&holder).is_some_and(|ms| *ms > 25_000), "{held:?}");
    let wrong = Command::CreateBackfill {
        tenant: TENANT,
        backfill: BackfillId(uuid::Uuid::from_u128(1)),
        spec: Box::new(AskedBackfill(BackfillSpec { source: "none".into(), ..spec(4) })),
        key: None,
    };
    let refused = simulate(&copied, TENANT, &Scenario { changes: vec![wrong], ..scenario() }).unwrap_err();
    assert_eq!((refused.code, refused.field.as_deref()), (Code::UnknownSource, Some("changes[0].source")));
}

#[test]
fn what_would_take_too_many_steps_is_reckoned_in_proportion() {
    let mut stage = stage(100);
    let long = BackfillSpec { from: event(-2_000), to: event(0), parallelism: 50, ..spec(0) };
    let few = Scenario { samples: 1, facts: 2_000, ..scenario() };
    let seen = preview(&copied(&mut stage), TENANT, long, &few).unwrap();
    assert!(seen.simulated.samples[0].in_proportion);
    let took = took(&seen.simulated, 500).unwrap();
    assert!((390_000..430_000).contains(&took), "{took}");
}
