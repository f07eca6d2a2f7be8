//! The judge, given a small ledger and log that are whole, and then wrong in one way each.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Verdict;
use super::judge;
use super::ledger::{Block, DoneRow, JobRow, Ledger};
use crate::record::{Line, Outcome};

const JOB: &str = "job_00000000000000000000000000000001";
const TOKEN: &str = "lse_aa.0.1.2.00000000000000000000000000000001";

fn block(commit_no: i64, first_seq: i64, bodies: &[Value]) -> Block {
    let (mut lines, mut leaves) = (Vec::new(), Vec::new());
    for (index, body) in bodies.iter().enumerate() {
        let seq = first_seq + index as i64;
        let line = json!({"at": 1_000 + seq * 10, "body": body, "config_version": 0, "rules_version": 1, "seq": seq});
        let line = line.to_string();
        let mut hash = Sha256::new();
        hash.update([0]);
        hash.update(&line);
        leaves.extend_from_slice(&hash.finalize());
        lines.extend_from_slice(line.as_bytes());
        lines.push(b'\n');
    }
    let facts = lz4_flex::compress_prepend_size(&lines);
    let last_seq = first_seq + bodies.len() as i64 - 1;
    Block { shard: 0, commit_no, stream: 2, first_seq, last_seq, facts, leaves }
}

fn lane() -> Value {
    json!({"lane_opened": {"key": {"job_type": "chaos.quick", "source": null}, "lane": 1}})
}

fn enqueued() -> Value {
    json!({"job_enqueued": {"job": JOB, "lane": 1, "payload_sha256": "", "state": "ready"}})
}

fn granted(attempt: u64, prev: i64) -> Value {
    json!({"lease_granted": {
        "attempt": attempt, "auto_ack": true, "claim": "clm_1", "epoch": 1, "job": JOB, "lane": 1, "lease_ms": 3_000,
        "prev": prev, "session": "wks_1",
    }})
}

fn finished(attempt: u64, prev: i64) -> Value {
    json!({"job_finished": {
        "attempt": attempt, "cause": "reported", "job": JOB, "lane": 1, "outcome": "succeeded", "prev": prev,
        "report": "ab", "state": "succeeded",
    }})
}

fn done(attempt: i64, seq: i64) -> DoneRow {
    DoneRow { job: JOB.to_owned(), state: 5, attempt, seq }
}

fn ledger(bodies: &[Value], done: DoneRow) -> Ledger {
    let payload = json!({"marker": "m1"}).to_string().into_bytes();
    Ledger {
        blocks: vec![block(1, 1, bodies)],
        jobs: vec![JobRow { job: JOB.to_owned(), payload }],
        done: vec![done],
        dead_letters: Vec::new(),
        logged: BTreeSet::new(),
    }
}

fn whole() -> Ledger {
    ledger(&[lane(), enqueued(), granted(1, 2), finished(1, 3)], done(1, 4))
}

fn call(lines: &mut Vec<Line>, op: &str, key: Option<&str>, request: Value, outcome: Outcome) {
    let n = lines.len() as u64 / 2 + 1;
    let (op, who, address) = (op.to_owned(), String::new(), String::new());
    let key = key.map(str::to_owned);
    lines.push(Line::Begin { n, mono_us: n * 10, wall_ms: 0, who, op, address, key, request });
    lines.push(Line::End { n, mono_us: n * 10 + 5, wall_ms: 0, outcome });
}

fn ok(answer: Value) -> Outcome {
    Outcome::Ok { status: 200, answer }
}

fn submitted(lines: &mut Vec<Line>, job: &str) {
    let request = json!({"job_type": "chaos.quick", "payload": {"marker": "m1"}});
    call(lines, "submit", Some("k"), request, ok(json!({"id": job, "state": "ready", "attempt": 0})));
}

fn claimed(lines: &mut Vec<Line>, attempt: u64) {
    let answer = json!({"leases": [{"token": format!("{TOKEN}.{attempt}"), "job": JOB, "attempt": attempt}]});
    call(lines, "claim", None, json!({"session": "wks_1", "claim_id": "clm_1"}), ok(answer));
}

fn completed(lines: &mut Vec<Line>, attempt: u64, result: Value) {
    let item = json!({"token": format!("{TOKEN}.{attempt}"), "outcome": "succeeded", "result": result});
    call(lines, "complete", None, json!({"items": [item]}), ok(json!({"items": [{"status": "ok"}]})));
}

fn log() -> Vec<Line> {
    let mut lines = Vec::new();
    submitted(&mut lines, JOB);
    claimed(&mut lines, 1);
    completed(&mut lines, 1, Value::Null);
    lines
}

fn rules(verdict: &Verdict) -> Vec<&'static str> {
    verdict.by_rule.keys().copied().collect()
}

#[test]
fn what_is_whole_is_clean() {
    let verdict = judge(&log(), &whole());
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.counted["jobs acknowledged"], 1);
}

#[test]
fn a_gap_a_wrong_hash_and_a_lost_fact_are_found() {
    let mut gap = whole();
    gap.blocks[0].first_seq = 2;
    assert!(rules(&judge(&log(), &gap)).contains(&"sequences_gapless"));
    let mut hash = whole();
    hash.blocks[0].leaves[0] ^= 1;
    assert_eq!(rules(&judge(&log(), &hash)), ["history_whole"]);
}

#[test]
fn a_lost_or_open_job_is_found() {
    let mut lost = log();
    submitted(&mut lost, "job_00000000000000000000000000000002");
    let found = judge(&lost, &whole());
    assert!(rules(&found).contains(&"acknowledged_is_kept") && rules(&found).contains(&"one_job_per_key"));
    let mut open = whole();
    open.blocks = vec![block(1, 1, &[lane(), enqueued(), granted(1, 2)])];
    assert!(rules(&judge(&log(), &open)).contains(&"every_job_final"));
}

#[test]
fn two_leases_at_a_time_and_facts_after_the_end_are_found() {
    let twice = ledger(&[lane(), enqueued(), granted(1, 2), granted(2, 3), finished(2, 4)], done(2, 5));
    assert!(rules(&judge(&[], &twice)).contains(&"one_current_lease"));
    let again = ledger(&[lane(), enqueued(), granted(1, 2), finished(1, 3), finished(1, 4)], done(1, 5));
    assert!(rules(&judge(&log(), &again)).contains(&"final_is_final"));
}

#[test]
fn a_report_under_an_old_fence_is_found() {
    let lost = json!({"attempt_ended": {
        "attempt": 1, "heard_at": -5_000, "job": JOB, "next": "now", "outcome": "lost", "prev": 3,
    }});
    let ledger = ledger(&[lane(), enqueued(), granted(1, 2), lost, granted(2, 4), finished(2, 5)], done(2, 6));
    let mut honest = Vec::new();
    submitted(&mut honest, JOB);
    claimed(&mut honest, 1);
    claimed(&mut honest, 2);
    completed(&mut honest, 2, Value::Null);
    assert_eq!(judge(&honest, &ledger).violations, []);
    let mut stale = honest.clone();
    completed(&mut stale, 1, Value::Null);
    assert_eq!(rules(&judge(&stale, &ledger)), ["no_stale_fence"]);
    let beat = json!({"session": "wks_1", "leases": [{"token": format!("{TOKEN}.1")}]});
    call(&mut honest, "heartbeat", None, beat, ok(json!({"items": [{"answer": "continue"}]})));
    assert_eq!(rules(&judge(&honest, &ledger)), ["no_stale_fence"]);
}

#[test]
fn a_lease_that_ended_before_its_time_is_found() {
    let lost = json!({"attempt_ended": {
        "attempt": 1, "heard_at": 1_020, "job": JOB, "next": "now", "outcome": "lost", "prev": 3,
    }});
    let mut early = ledger(&[lane(), enqueued(), granted(1, 2), lost, granted(2, 4), finished(2, 5)], done(2, 6));
    let mut log = Vec::new();
    submitted(&mut log, JOB);
    claimed(&mut log, 2);
    completed(&mut log, 2, Value::Null);
    assert_eq!(rules(&judge(&log, &early)), ["live_worker_kept"]);
    early.logged.insert((JOB.to_owned(), 1));
    assert_eq!(judge(&log, &early).violations, [], "a log is a sign of life, and extends no lease");
}

#[test]
fn two_results_of_one_attempt_and_rows_that_disagree_are_found() {
    let mut twice = log();
    completed(&mut twice, 1, json!({"other": true}));
    assert_eq!(rules(&judge(&twice, &whole())), ["results_counted_once"]);
    let mut rows = whole();
    rows.done[0].state = 6;
    assert_eq!(rules(&judge(&log(), &rows)), ["rows_agree"]);
}

#[test]
fn a_refused_submission_that_was_done_all_the_same_is_found() {
    let mut lines = Vec::new();
    let request = json!({"job_type": "chaos.quick", "payload": {"marker": "m1"}});
    let refused = Outcome::Refused { status: 503, code: "not_owner".to_owned() };
    call(&mut lines, "submit", None, request, refused);
    claimed(&mut lines, 1);
    completed(&mut lines, 1, Value::Null);
    assert_eq!(rules(&judge(&lines, &whole())), ["refused_is_not_done"]);
}
