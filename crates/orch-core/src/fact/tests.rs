//! Facts: canonical bytes compared with a canonicaliser, golden vectors, tags.

use super::*;
use crate::config::JobType;
use crate::fairness::Short;
use crate::graph::Graph;
use crate::ids::Stream;
use crate::job::{DependsOn, OriginKind, Priority};
use crate::run::{Repairs, RunTrigger};
use crate::schedule::ScheduledJob;

fn job(n: u128) -> JobId {
    JobId::v7(Timestamp::from_millis(1_700_000_000_000), n)
}

/// One fact of each kind, all members present.
pub(crate) fn samples() -> Vec<Fact> {
    let error = JobError {
        class: "upstream".into(),
        code: "http_503".into(),
        http_status: Some(503),
        message: "line\nwith \"quotes\", \u{1} and é 𝄞".into(),
        retry_after_ms: Some(1_000),
        retryable: true,
    };
    let at = Timestamp::from_millis(1_700_000_000_123);
    let session = SessionId::v7(at, 5);
    let key = LaneKey {
        concurrency_key: Some("k".into()),
        job_type: "feeds.fetch".into(),
        priority: Priority::High,
        project: "default".into(),
        source: Some("kev".into()),
    };
    vec![
        Fact::TenantCreated { name: "acme".into(), tenant: TenantId::v7(at, 1) },
        Fact::ConfigSet { doc: ConfigDoc::JobType(JobType::named("feeds.fetch")), version: 2 },
        Fact::TokenCreated {
            expires_at: Some(at),
            name: "ci".into(),
            scopes: vec!["orch:read".into()],
            token: TokenId::v7(at, 2),
        },
        Fact::TokenRevoked { token: TokenId::v7(at, 2) },
        Fact::LaneOpened { key, lane: LaneNo(1) },
        Fact::JobEnqueued {
            correlation_id: Some("c".into()),
            deadline: Some(at),
            depends_on: vec![Dependency { job: job(9), on: DependsOn::Done }],
            firing: None,
            job: job(1),
            labels: [("feed".to_owned(), "kev".to_owned())].into(),
            lane: LaneNo(1),
            not_before: Some(at),
            open_parents: vec![0],
            origin: Some(Origin { kind: OriginKind::DeadLetter, of: job(8) }),
            part: None,
            payload_sha256: "00".repeat(32),
            state: JobState::Blocked,
            window: None,
        },
        Fact::JobReady { cause: ReadyCause::Unblocked, job: job(1), prev: 6 },
        Fact::JobScheduled { at, job: job(1), prev: 6 },
        Fact::LeaseGranted {
            attempt: 1,
            auto_ack: true,
            canary: false,
            claim: ClaimId::v7(at, 3),
            epoch: 4,
            job: job(1),
            lane: LaneNo(1),
            lease_ms: 60_000,
            leave_by: None,
            not_before: None,
            permit: None,
            prev: 7,
            session,
        },
        Fact::LeaseAcked { attempt: 1, job: job(1), prev: 8 },
        Fact::AttemptEnded {
            attempt: 1,
            error: Some(error.clone()),
            free: false,
            heard_at: Some(at),
            job: job(1),
            next: NextTry::At(at),
            outcome: AttemptOutcome::Failed,
            prev: 9,
            report: Some("ab".repeat(16)),
        },
        Fact::JobFinished {
            attempt: 2,
            cause: EndCause::TriesSpent,
            error: Some(error),
            found: None,
            heard_at: None,
            job: job(1),
            lane: LaneNo(1),
            outcome: Some(AttemptOutcome::Failed),
            prev: 12,
            report: None,
            result_sha256: Some("11".repeat(32)),
            state: JobState::Failed,
        },
        Fact::CancelRequested { by: "me".into(), grace_until: at, job: job(1), prev: 3, reason: Some("r".into()) },
        Fact::Paused { by: "me".into(), reason: None, target: PauseTarget::Source("kev".into()) },
        Fact::Resumed { by: "me".into(), reason: Some("done".into()), target: PauseTarget::Tenant },
        Fact::DeadLetterSettled { by: "me".into(), how: Settlement::Replayed(job(3)), job: job(1), reason: None },
        Fact::RowsKept { checkpoints: 1, logs: 2 },
        Fact::Turn { granted: 3, pass: 77, rest: 0, tenant: TenantNo(2) },
        Fact::TenantMarked { by: "tok".into(), erase_at: at },
        Fact::TenantRestored { by: "tok".into() },
        Fact::BucketCut {
            bucket: "nvd".into(),
            cause: CutCause::Status(429),
            from: 1_000,
            in_flight: None,
            job: job(1),
            slow: None,
            to: 500,
        },
        Fact::BucketClosed { bucket: "nvd".into(), job: job(1), until: at },
        Fact::BucketReset { bucket: "nvd".into(), by: "me".into(), reason: Some("r".into()) },
        Fact::PermitGiven {
            cost: 1,
            host: "h.example".into(),
            leaves_at: at,
            tenant: TenantNo(2),
            until: at,
            urgent: false,
            weight: WEIGHT_USUAL,
        },
        Fact::HostClosed { host: "h.example".into(), job: job(1), tenant: TenantNo(2), until: at },
        Fact::ConfigDeleted {
            by: "me".into(),
            kind: ConfigKind::Quota,
            name: "q".into(),
            reason: Some("r".into()),
            version: 3,
        },
        Fact::BreakerTripped { breaker: "nvd".into(), by: "me".into(), reason: Some("r".into()) },
        Fact::BreakerReset { breaker: "nvd".into(), by: "me".into(), reason: None },
        Fact::Throttled {
            active_max: Some(2),
            by: "me".into(),
            per_minute_max: None,
            reason: Some("r".into()),
            target: PauseTarget::Source("kev".into()),
            until: at,
        },
        Fact::ThrottleEnded { by: "me".into(), reason: None, target: PauseTarget::Source("kev".into()) },
        Fact::JobReprioritized {
            by: "tok".into(),
            from: LaneNo(1),
            job: job(1),
            lane: LaneNo(2),
            prev: 6,
            reason: Some("r".into()),
        },
        Fact::Prioritized {
            by: "tok".into(),
            priority: Priority::Urgent,
            reason: Some("r".into()),
            target: PauseTarget::Source("kev".into()),
            until: at,
        },
        Fact::PriorityEnded { by: "tok".into(), reason: None, target: PauseTarget::JobType("feeds.fetch".into()) },
        Fact::TenantAllotted { allotment: Allotment::weighing(200), by: "me".into(), reason: Some("r".into()) },
        Fact::FairnessNoted {
            receipt: Receipt {
                closed: true,
                due_milli: 1_500,
                hour: at,
                received: 1,
                short_ms: [(Short::Bucket, 9_000), (Short::Paused, 1_000)].into(),
                waited_ms: 20_000,
            },
        },
        Fact::ScheduleSkipped {
            cause: SkipCause::Refused,
            count: 2,
            first_at: at,
            last_at: at.plus_ms(60_000),
            refusal: Some("backlog_full".into()),
            schedule: "feed".into(),
        },
        Fact::ScheduleBuffered { nominal_at: at, schedule: "feed".into() },
        Fact::SchedulePaused { by: "me".into(), reason: Some("why".into()), schedule: "feed".into() },
        Fact::ScheduleResumed { by: "me".into(), reason: None, schedule: "feed".into() },
        Fact::WatermarkAdvanced {
            attempt: 2,
            axis: Axis::Modified,
            from: Some(Timestamp::from_millis(1_700_000_000_000)),
            high: at,
            holes: vec![Range { from: Timestamp::from_millis(1_700_000_000_050), to: at }],
            job: job(1),
            low: Timestamp::from_millis(1_600_000_000_000),
            repairs: vec![Range { from: Timestamp::from_millis(1_600_000_000_000), to: at }],
            source: "kev".into(),
            version: 7,
        },
        Fact::WatermarkSet {
            axis: Axis::Published,
            by: "tok".into(),
            high: Some(at),
            holes: Vec::new(),
            lateness_ms: 3_600_000,
            low: Some(at),
            reason: Some("read it again".into()),
            repairs: Vec::new(),
            source: "kev".into(),
            version: 8,
        },
    ]
    .into_iter()
    .chain(of_runs())
    .collect()
}

/// The same of runs.
fn of_runs() -> Vec<Fact> {
    let at = Timestamp::from_millis(1_700_000_000_123);
    let (run, step) = (RunId::v7(at, 6), StepNo(2));
    let (by, reason) = ("tok".to_owned(), Some("r".to_owned()));
    let counts = Counts { failed: 1, skipped: 2, succeeded: 3, total: 6, canceled: 0 };
    let repairs = Repairs {
        again: [StepNo(1)].into(),
        course: "{}".into(),
        items: [(StepNo(1), [0, 4].into())].into(),
        of: RunId::v7(at, 7),
        results: [(StepNo(0), r#"{"list":[1]}"#.into())].into(),
    };
    let spec = RunSpec {
        by: Some(by.clone()),
        correlation_id: Some("c".into()),
        firing: None,
        graph: Some(Graph { name: "g".into(), ..Graph::default() }),
        inputs: r#"{"since":"2026"}"#.into(),
        labels: [("feed".to_owned(), "kev".to_owned())].into(),
        parent: Some(PartOf { index: None, run: RunId::v7(at, 8), step }),
        project: Some("default".into()),
        reason: reason.clone(),
        repairs: Some(repairs),
        token: Some("t".into()),
        trigger: RunTrigger::Replay,
        window: None,
    };
    let (backfill, window_ms) = (BackfillId::v7(at, 9), 86_400_000);
    let asked = BackfillSpec {
        by: by.clone(),
        from: at,
        job: Some(ScheduledJob { job_type: "feeds.fetch".into(), payload: "{}".into(), ..ScheduledJob::default() }),
        only: Some(vec![1, 4]),
        reason: "r".into(),
        source: "kev".into(),
        ticket: "T-1".into(),
        to: at.plus_ms(10 * window_ms),
        window_ms,
        ..BackfillSpec::default()
    };
    vec![
        Fact::RunStarted { graph: "g".into(), run, spec: Box::new(spec), version: 3 },
        Fact::StepsSkipped { reason: SkipReason::UpstreamFailed, run, steps: vec![step, StepNo(4)] },
        Fact::PartFailed { detail: Some("d".into()), fault: Fault::Refused, index: Some(3), run, step },
        Fact::MapEnded { counts, outcome: Outcome::Failed, run, step },
        Fact::ApprovalAsked { run, step, until: at },
        Fact::ApprovalDecided { by: Some(by.clone()), reason: reason.clone(), run, step, verdict: Verdict::Approved },
        Fact::RunCancelRequested { by: by.clone(), reason: reason.clone(), run },
        Fact::RunPaused { by: by.clone(), reason: reason.clone(), run },
        Fact::RunResumed { by: by.clone(), reason: reason.clone(), run },
        Fact::RunFinished { counts, outcome: RunOutcome::Failed, run },
        Fact::BackfillCreated { backfill, spec: Box::new(asked) },
        Fact::BackfillSkipped { backfill, count: 3, place: 4 },
        Fact::BackfillPaused { backfill, by: by.clone(), reason: reason.clone() },
        Fact::BackfillResumed { backfill, by: by.clone(), reason: reason.clone() },
        Fact::BackfillCancelRequested { backfill, by, reason },
        Fact::BackfillFinished { backfill, counts, outcome: RunOutcome::Failed },
    ]
}

fn record(seq: u64, body: Fact) -> Record {
    let at = Timestamp::from_millis(1_700_000_000_000);
    Record { at, body, config_version: 3, rules_version: RULES_VERSION, seq }
}

#[test]
fn bytes_are_canonical_and_read_back() {
    for (n, body) in samples().into_iter().enumerate() {
        let record = record(n as u64 + 1, body);
        let mut bytes = Vec::new();
        record.write_canonical(&mut bytes);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let canonical = serde_json_canonicalizer::to_vec(&value).unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), String::from_utf8(canonical).unwrap());
        assert_eq!(serde_json::from_slice::<Record>(&bytes).unwrap(), record);
    }
}

/// A sample with one of its optional members set.
fn with(kind: &str, member: &str, value: serde_json::Value) -> (Fact, String) {
    let plain = samples().into_iter().find(|fact| fact.kind() == kind).unwrap();
    let mut json = serde_json::to_value(&plain).unwrap();
    assert!(json[kind].get(member).is_none(), "`{member}` is not written where it says nothing");
    json[kind][member] = value;
    let fact: Fact = serde_json::from_value(json).unwrap();
    let text = serde_json::to_string(&fact).unwrap();
    assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact);
    (fact, text)
}

#[test]
fn a_grant_that_holds_its_request_back_says_until_when() {
    let (held, text) = with("lease_granted", "not_before", 7.into());
    assert!(matches!(held, Fact::LeaseGranted { not_before: Some(at), .. } if at == Timestamp::from_millis(7)));
    assert!(text.contains(r#""lease_ms":60000,"not_before":7,"prev":"#), "{text}");
    let firing = serde_json::json!({"nominal_at": 7, "schedule": "feed", "zones": "2026a"});
    let (fired, text) = with("job_enqueued", "firing", firing);
    assert!(matches!(fired, Fact::JobEnqueued { firing: Some(Firing { .. }), .. }), "{text}");
    assert!(text.contains(r#""firing":{"nominal_at":7,"schedule":"feed","zones":"2026a"},"job":"#), "{text}");
    let part = serde_json::json!({"index": 4, "run": RunId::v7(Timestamp::from_millis(7), 1), "step": 2});
    let (one, text) = with("job_enqueued", "part", part);
    assert!(matches!(one, Fact::JobEnqueued { part: Some(PartOf { step: StepNo(2), .. }), .. }), "{text}");
    let (_, text) = with("job_finished", "found", r#"{"a":1}"#.into());
    assert!(
        text.contains(r#""found":"{\"a\":1}","heard_at""#) || text.contains(r#""found":"{\"a\":1}","job""#),
        "{text}"
    );
    let (_, text) = with("lease_granted", "leave_by", 8.into());
    assert!(text.contains(r#""lease_ms":60000,"leave_by":8,"prev":"#), "{text}");
    let (held, text) = with("lease_granted", "permit", 8.into());
    assert!(matches!(held, Fact::LeaseGranted { permit: Some(8), .. }));
    assert!(text.contains(r#""lease_ms":60000,"permit":8,"prev":"#), "{text}");
}

#[test]
fn a_canary_and_a_free_failure_say_so() {
    let (canary, text) = with("lease_granted", "canary", true.into());
    assert!(matches!(canary, Fact::LeaseGranted { canary: true, .. }));
    assert!(text.contains(r#""auto_ack":true,"canary":true,"claim":"#), "{text}");
    let (free, text) = with("attempt_ended", "free", true.into());
    assert!(matches!(free, Fact::AttemptEnded { free: true, .. }));
    assert!(text.contains(r#"},"free":true,"heard_at":"#), "{text}");
}

#[test]
fn what_weighs_as_usual_says_nothing_of_it() {
    let (given, text) = with("permit_given", "weight", 250.into());
    assert!(matches!(given, Fact::PermitGiven { weight: 250, urgent: false, .. }), "{text}");
    let (given, text) = with("permit_given", "urgent", true.into());
    assert!(matches!(given, Fact::PermitGiven { weight: WEIGHT_USUAL, urgent: true, .. }), "{text}");
    let (turn, text) = with("turn", "rest", 7.into());
    assert!(matches!(turn, Fact::Turn { rest: 7, .. }), "{text}");
}

#[test]
fn every_kind_has_a_sample_and_its_tag() {
    let kinds: Vec<_> = samples().iter().map(Fact::kind).collect();
    assert_eq!(kinds, Fact::KINDS);
    for fact in samples() {
        let value = serde_json::to_value(&fact).unwrap();
        assert!(value.get(fact.kind()).is_some(), "{value}");
    }
}

#[test]
fn what_a_cut_says_beyond_its_share_is_written_where_it_is_said() {
    let job = JobId::v7(Timestamp::from_millis(1_700_000_000_123), 1);
    let (in_flight, slow) = (Some(4), Some(Slow { baseline_ms: 80, latency_ms: 400 }));
    let (bucket, cause) = ("nvd".to_owned(), CutCause::Latency);
    let fact = Fact::BucketCut { bucket, cause, from: 1_000, in_flight, job, slow, to: 500 };
    let text = serde_json::to_string(&fact).unwrap();
    assert!(text.contains(r#""in_flight":4,"job""#) && text.contains(r#""slow":{"baseline_ms":80,"latency_ms":400}"#));
    assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact);
}

/// Golden vectors: what is written once must read the same for ever.
#[test]
fn the_encoding_does_not_drift() {
    let mut lines = String::new();
    for (n, body) in samples().into_iter().enumerate() {
        let mut bytes = Vec::new();
        record(n as u64 + 1, body).write_canonical(&mut bytes);
        lines.push_str(&hex::encode(crate::block::leaf_hash(&bytes)));
        lines.push(' ');
        lines.push_str(&String::from_utf8(bytes).unwrap());
        lines.push('\n');
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fact/golden-v1.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &lines).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), lines, "run with UPDATE=1 only for a new rules version");
}

#[test]
fn a_block_holds_what_was_written() {
    let mut writer = crate::block::BlockWriter::new(Stream::from(TenantNo(2)), 5);
    let records: Vec<_> = samples().into_iter().enumerate().map(|(n, body)| record(n as u64 + 5, body)).collect();
    records.iter().for_each(|record| writer.push(record));
    let block = writer.finish();
    assert_eq!((block.first_seq, block.last_seq), (5, 4 + records.len() as u64));
    assert_eq!(block.records().unwrap(), records);
    let mut broken = block.clone();
    broken.last_seq += 1;
    assert!(broken.records().is_err());
    let mut cut = block;
    cut.facts = cut.facts.slice(..cut.facts.len() / 2);
    assert!(cut.records().is_err());
}
