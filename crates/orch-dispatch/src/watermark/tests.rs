//! Who moves watermarks and who cannot, what a refused report leaves, and what is left after a recovery.

use orch_core::config::{ConfigDoc, JobType, Source};
use orch_core::port::SnapshotRow;
use orch_core::watermark::Range;

use super::*;
use crate::answer::Grant;
use crate::command::{Command, NewJob, Read, Took};
use crate::forecast::tests::{START, Stage, TENANT, kind};
use crate::prepared::Readings;
use crate::shard::{Reply, SNAPSHOT_FORMAT, Shard};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(START.millis() + minute * 60_000)
}

/// A stage on which everything is for the source `kev`.
fn stage() -> Stage {
    let mut stage = Stage::new(kind(None), 1_000);
    stage.declare(ConfigDoc::Source(Source { name: "kev".to_owned(), ..Source::default() }));
    stage.source = Some("kev".to_owned());
    stage
}

fn granted(stage: &mut Stage) -> Grant {
    stage.enqueue("t", None, 1);
    stage.claim(1).remove(0)
}

fn success(grant: &Grant, advance: Advance) -> Completion {
    Completion {
        token: grant.token,
        outcome: Report::Succeeded { result: None, result_sha256: None },
        fingerprint: [7; 16],
        artifacts: Vec::new(),
        follow_ups: Vec::new(),
        took: Vec::new(),
        watermark: Some(Box::new(advance)),
    }
}

fn report(stage: &mut Stage, completion: Completion) -> Result<Vec<JobId>, Refusal> {
    match stage.ask(Command::Complete { tenants: vec![TENANT], completions: vec![completion] }) {
        Answer::Completed(mut answers) => answers.remove(0),
        answer => panic!("{answer:?}"),
    }
}

fn on(expected: Option<i64>, high: i64) -> Advance {
    Advance::to(Axis::Published, expected.map(at), at(high))
}

fn found(stage: &mut Stage) -> WatermarkFound {
    match stage.ask(Command::Read(Read::Watermarks { tenant: TENANT, source: Some("kev".to_owned()) })) {
        Answer::Watermarks(mut found) => found.remove(0),
        answer => panic!("{answer:?}"),
    }
}

fn put(stage: &mut Stage, watermark: Watermark, expect: Expect) -> Answer {
    let (source, actor) = ("kev".to_owned(), Actor { by: "op".to_owned(), reason: Some("again".to_owned()) });
    stage.ask(Command::PutWatermark { tenant: TENANT, source, axis: Axis::Published, watermark, expect, actor })
}

fn code(answer: Answer) -> Code {
    match answer {
        Answer::Refused(refusal) => refusal.code,
        answer => panic!("{answer:?}"),
    }
}

/// The state, read from its snapshot, is the state.
fn recover(stage: &mut Stage) {
    let identity = stage.shard.identity();
    let state = stage.shard.save();
    let row = SnapshotRow { commit_no: stage.shard.taken(), format: SNAPSHOT_FORMAT, state: state.clone().into() };
    let sessions = std::mem::take(&mut stage.shard.sessions);
    stage.shard = Shard::begin(identity, Some(&row)).unwrap();
    stage.shard.sessions = sessions;
    stage.shard.serve_from(stage.now);
    stage.shard.check().unwrap();
    assert_eq!(stage.shard.save(), state);
}

#[test]
fn a_report_moves_the_watermark_of_its_jobs_source_and_leases_carry_it() {
    let mut stage = stage();
    let first = granted(&mut stage);
    assert!(first.watermarks.is_empty());
    assert_eq!(report(&mut stage, success(&first, on(None, -30))), Ok(Vec::new()));
    let shown = found(&mut stage);
    assert_eq!((shown.version, &shown.by), (1, &MovedBy::Job(first.token.job)));
    assert_eq!(shown.lag_ms, Some(30 * 60_000));
    let (high, low) = (Some(at(-30)), Some(at(-30)));
    let second = granted(&mut stage);
    assert_eq!(second.watermarks, [WatermarkHead { axis: Axis::Published, low, high, lateness_ms: 0 }]);
    let hole = Range { from: at(-20), to: at(-10) };
    report(&mut stage, success(&second, Advance { holes: vec![hole], ..on(Some(-30), 0) })).unwrap();
    assert_eq!(
        found(&mut stage).watermark,
        Watermark { high: Some(at(0)), holes: vec![hole], low, ..Watermark::default() }
    );
    recover(&mut stage);
    assert_eq!(found(&mut stage).version, 2);
}

#[test]
fn of_two_that_read_at_the_same_time_one_is_refused_and_stays_open() {
    let mut stage = stage();
    let (one, other) = (granted(&mut stage), granted(&mut stage));
    report(&mut stage, success(&one, on(None, 0))).unwrap();
    let took = vec![Took { host: "kev.example".to_owned(), latency_ms: 5 }];
    let late = Completion { took, ..success(&other, on(None, 5)) };
    let command = Command::Complete { tenants: vec![TENANT], completions: vec![late] };
    let Reply::Now(Answer::Completed(answers)) = stage.shard.execute(command, &Readings::default(), stage.now) else {
        panic!("it is answered")
    };
    let refusal = answers[0].clone().unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_deref()), (Code::WatermarkConflict, Some("watermark.expected")));
    assert!(stage.shard.take().is_none(), "nothing was written");
    assert_eq!(report(&mut stage, success(&other, on(Some(0), 5))), Ok(Vec::new()), "the attempt is open");
    let back = granted(&mut stage);
    let refusal = report(&mut stage, success(&back, on(Some(5), 4))).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_deref()), (Code::WatermarkConflict, Some("watermark.high")));
}

#[test]
fn the_fence_is_judged_first_and_the_same_report_gets_the_same_answer() {
    let mut stage = stage();
    let first = granted(&mut stage);
    report(&mut stage, success(&first, on(None, 0))).unwrap();
    let second = granted(&mut stage);
    report(&mut stage, success(&second, on(Some(0), 9))).unwrap();
    assert_eq!(report(&mut stage, success(&first, on(None, 0))), Ok(Vec::new()));
    let other = Completion { fingerprint: [8; 16], ..success(&first, on(None, 0)) };
    assert_eq!(report(&mut stage, other).unwrap_err().code, Code::CompletionConflict);
    let third = granted(&mut stage);
    let stale = Grant { token: orch_core::lease::Token { attempt: 2, ..third.token }, ..third };
    assert_eq!(report(&mut stage, success(&stale, on(None, 1))).unwrap_err().code, Code::StaleLease);
    assert_eq!((found(&mut stage).watermark.high, found(&mut stage).version), (Some(at(9)), 2));
}

#[test]
fn only_a_success_of_a_job_with_a_source_moves_one() {
    let mut stage = stage();
    stage.source = None;
    let without = granted(&mut stage);
    let refusal = report(&mut stage, success(&without, on(None, 0))).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_deref()), (Code::InvalidField, Some("watermark.source")));
    stage.source = Some("kev".to_owned());
    let canceled = granted(&mut stage);
    report(&mut stage, Completion { outcome: Report::Canceled, ..success(&canceled, on(None, 0)) }).unwrap();
    let bad = granted(&mut stage);
    let mut follow_up = NewJob { id: orch_core::JobId::v7(stage.now, 99), ..job() };
    follow_up.lane.job_type = "nobody.knows".to_owned();
    let refused = Completion { follow_ups: vec![follow_up], ..success(&bad, on(None, 0)) };
    assert_eq!(report(&mut stage, refused).unwrap_err().code, Code::UnknownJobType);
    let all = stage.ask(Command::Read(Read::Watermarks { tenant: TENANT, source: None }));
    assert_eq!(all, Answer::Watermarks(Vec::new()));
}

fn job() -> NewJob {
    NewJob {
        id: orch_core::JobId::v7(START, 1),
        id_given: false,
        key: None,
        payload: bytes::Bytes::from_static(b"{}"),
        payload_sha256: String::new(),
        misfit: None,
        labels: BTreeMap::new(),
        not_before: None,
        deadline: None,
        depends_on: Vec::new(),
        correlation_id: None,
        origin: None,
        firing: None,
        part: None,
        window: None,
        lane: orch_core::job::LaneKey {
            concurrency_key: None,
            job_type: JobType::named("t").name,
            priority: orch_core::Priority::Normal,
            project: "default".to_owned(),
            source: None,
        },
    }
}

#[test]
fn an_operator_sets_it_also_back_and_history_says_who() {
    let mut stage = stage();
    let before = granted(&mut stage);
    report(&mut stage, success(&before, on(None, 0))).unwrap();
    let back = Watermark { high: Some(at(-60)), lateness_ms: 1_000, low: Some(at(-90)), ..Watermark::default() };
    assert_eq!(code(put(&mut stage, back.clone(), Expect::Absent)), Code::StateConflict);
    assert_eq!(code(put(&mut stage, back.clone(), Expect::Version(7))), Code::VersionConflict);
    let set = put(&mut stage, back.clone(), Expect::Version(1));
    assert_eq!(set, Answer::Config { version: 2, created: false });
    assert_eq!(put(&mut stage, back.clone(), Expect::Any), set, "the same again changes nothing");
    let shown = found(&mut stage);
    let by = MovedBy::Operator(Actor { by: "op".to_owned(), reason: Some("again".to_owned()) });
    assert_eq!((shown.watermark, shown.by), (back, by));
    recover(&mut stage);
    let reader = granted(&mut stage);
    let refusal = report(&mut stage, success(&reader, on(Some(0), 10))).unwrap_err();
    assert_eq!(refusal.code, Code::WatermarkConflict);
    report(&mut stage, success(&reader, on(Some(-60), -5))).unwrap();
    let shown = found(&mut stage).watermark;
    assert_eq!((shown.low, shown.lateness_ms), (Some(at(-90)), 1_000), "what an operator set stays");
    assert_eq!(put(&mut stage, Watermark::default(), Expect::Any), Answer::Config { version: 4, created: false });
    let anew = granted(&mut stage);
    report(&mut stage, success(&anew, on(None, -80))).unwrap();
    assert_eq!(found(&mut stage).version, 5);
}

#[test]
fn what_an_operator_sets_must_make_sense() {
    let mut stage = stage();
    let wrong = Watermark { low: Some(at(0)), ..Watermark::default() };
    assert_eq!(code(put(&mut stage, wrong, Expect::Absent)), Code::InvalidField);
    let ahead = Watermark { high: Some(at(60 * 24 * 3)), ..Watermark::default() };
    assert_eq!(code(put(&mut stage, ahead, Expect::Absent)), Code::TimeOutOfRange);
    assert_eq!(put(&mut stage, Watermark::default(), Expect::Absent), Answer::Config { version: 1, created: true });
    let (source, actor) = ("nobody".to_owned(), Actor::default());
    let (axis, watermark, expect) = (Axis::Modified, Watermark::default(), Expect::Any);
    let other = stage.ask(Command::PutWatermark { tenant: TENANT, source, axis, watermark, expect, actor });
    assert_eq!(code(other), Code::NotFound);
}
