//! The facts: that no sequence has a gap, that each hash is its line's, and that each job's facts make one lawful life.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Verdict;
use super::ledger::{Block, Ledger};

/// A hand-out.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Which.
    pub attempt: u64,
    /// The claim call that asked.
    pub claim: String,
    /// Who got it.
    pub session: String,
    /// The lease's length.
    pub lease_ms: i64,
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub struct End {
    /// Which.
    pub attempt: u64,
    /// How.
    pub outcome: String,
    /// A worker reported it.
    pub reported: bool,
}

/// The end of a job.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The final state.
    pub state: String,
    /// The last attempt.
    pub attempt: u64,
    /// Seq of the fact.
    pub seq: i64,
    /// The digest of the result.
    pub result_sha256: Option<String>,
}

/// A job, as its facts tell it.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// Its type.
    pub job_type: String,
    /// Hand-outs, in order.
    pub grants: Vec<Grant>,
    /// Ends of attempts, in order.
    pub ends: Vec<End>,
    /// Its end.
    pub finish: Option<Finish>,
    /// A cancel was asked for.
    pub cancel_requested: bool,
    waiting: bool,
    granted_at: i64,
    /// The attempt gave a sign of life that does not extend its lease.
    spoke: bool,
    /// Attempts that were lost sooner after their last sign of life than a lease is long: attempt, silence, length.
    early: Vec<(i64, i64, i64)>,
    open: Option<u64>,
    tries: u64,
    lost: u64,
    last_seq: i64,
    depends_on: Vec<(String, bool)>,
}

/// All jobs of a ledger by id.
pub type Lives = BTreeMap<String, Life>;

/// What a stream has come to so far.
#[derive(Default)]
struct Stream {
    at: i64,
    lanes: BTreeMap<u64, (String, Option<String>)>,
    job_types: BTreeMap<String, Value>,
    paused: BTreeSet<String>,
    open_by_type: BTreeMap<String, u64>,
}

/// Reads all facts.
pub fn read(ledger: &Ledger, verdict: &mut Verdict) -> Lives {
    commits_are_gapless(&ledger.blocks, verdict);
    let mut lives = Lives::new();
    let mut ends: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    let mut streams: BTreeMap<i64, Stream> = BTreeMap::new();
    for block in ledger.blocks.iter().filter(|block| block.stream >= 0) {
        let shard = if block.stream == 0 { block.shard } else { -1 };
        let last = ends.entry((block.stream, shard)).or_default();
        if block.first_seq != *last + 1 {
            let what = format!("stream {}: seq {} follows {last}", block.stream, block.first_seq);
            verdict.broken("sequences_gapless", what);
        }
        *last = block.last_seq;
        let facts = facts(block, verdict);
        verdict.count("facts", facts.len() as u64);
        if block.stream > 0 {
            let stream = streams.entry(block.stream).or_default();
            for fact in &facts {
                stream.take(fact, &mut lives, verdict);
            }
        }
    }
    for (job, life) in &lives {
        if life.finish.is_none() {
            let state = if life.open.is_some() { "handed out" } else { "waiting" };
            verdict.broken("every_job_final", format!("{job} ({}) is still {state}", life.job_type));
        }
        for (attempt, silent, lease_ms) in &life.early {
            if !ledger.logged.contains(&(job.clone(), *attempt)) {
                let what = format!("{job}: attempt {attempt} was lost after {silent} ms of silence, of {lease_ms}");
                verdict.broken("live_worker_kept", what);
            }
        }
    }
    verdict.count("jobs", lives.len() as u64);
    lives
}

fn commits_are_gapless(blocks: &[Block], verdict: &mut Verdict) {
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    for block in blocks {
        let last = last.entry(block.shard).or_insert(block.commit_no - 1);
        if block.commit_no != *last && block.commit_no != *last + 1 {
            let what = format!("shard {}: commit {} follows {last}", block.shard, block.commit_no);
            verdict.broken("sequences_gapless", what);
        }
        *last = block.commit_no;
    }
}

/// The facts of a block, each compared with its seq and its hash.
fn facts(block: &Block, verdict: &mut Verdict) -> Vec<Value> {
    let place = format!("stream {} commit {}", block.stream, block.commit_no);
    let Ok(lines) = lz4_flex::decompress_size_prepended(&block.facts) else {
        verdict.broken("history_whole", format!("{place}: does not decompress"));
        return Vec::new();
    };
    let mut facts = Vec::new();
    for (index, line) in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let mut hash = Sha256::new();
        hash.update([0]);
        hash.update(line);
        let leaf = block.leaves.get(index * 32..index * 32 + 32);
        if leaf != Some(hash.finalize().as_slice()) {
            verdict.broken("history_whole", format!("{place}: the hash of line {index} is another"));
        }
        let Ok(fact) = serde_json::from_slice::<Value>(line) else {
            verdict.broken("history_whole", format!("{place}: line {index} is no JSON"));
            continue;
        };
        if fact["seq"].as_i64() != Some(block.first_seq + index as i64) {
            verdict.broken("sequences_gapless", format!("{place}: line {index} has seq {}", fact["seq"]));
        }
        facts.push(fact);
    }
    if block.first_seq + facts.len() as i64 != block.last_seq + 1 {
        verdict.broken("sequences_gapless", format!("{place}: holds {} facts", facts.len()));
    }
    facts
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pause_name(target: &Value) -> String {
    target.as_str().map_or_else(|| target.to_string(), str::to_owned)
}

impl Stream {
    fn take(&mut self, fact: &Value, lives: &mut Lives, verdict: &mut Verdict) {
        let (at, seq) = (fact["at"].as_i64().unwrap_or_default(), fact["seq"].as_i64().unwrap_or_default());
        if at < self.at {
            verdict.broken("time_never_falls", format!("seq {seq} is {} ms before the one before it", self.at - at));
        }
        self.at = self.at.max(at);
        let Some((kind, body)) = fact["body"].as_object().and_then(|body| body.iter().next()) else {
            verdict.broken("history_whole", format!("seq {seq} has no body"));
            return;
        };
        match kind.as_str() {
            "config_set" => {
                let doc = &body["doc"]["job_type"];
                if doc.is_object() {
                    self.job_types.insert(text(&doc["name"]), doc.clone());
                }
            }
            "lane_opened" => {
                let key = &body["key"];
                let lane = (text(&key["job_type"]), key["source"].as_str().map(str::to_owned));
                self.lanes.insert(body["lane"].as_u64().unwrap_or_default(), lane);
            }
            "paused" => {
                self.paused.insert(pause_name(&body["target"]));
            }
            "resumed" => {
                self.paused.remove(&pause_name(&body["target"]));
            }
            "job_enqueued" => self.enqueued(body, seq, lives, verdict),
            "dead_letter_settled" => {}
            _ if body["job"].is_string() => self.chained(kind, body, at, seq, lives, verdict),
            _ => {}
        }
    }

    fn enqueued(&mut self, body: &Value, seq: i64, lives: &mut Lives, verdict: &mut Verdict) {
        let job = text(&body["job"]);
        let lane = self.lanes.get(&body["lane"].as_u64().unwrap_or_default());
        let parents = body["depends_on"].as_array().into_iter().flatten();
        let life = Life {
            job_type: lane.map(|(job_type, _)| job_type.clone()).unwrap_or_default(),
            waiting: body["state"] == "ready",
            last_seq: seq,
            depends_on: parents.map(|parent| (text(&parent["job"]), parent["on"] == "succeeded")).collect(),
            ..Life::default()
        };
        if body["origin"]["kind"] == "follow_up"
            && let Some(parent) = lives.get_mut(&text(&body["origin"]["of"]))
        {
            parent.spoke = true;
        }
        if life.waiting && !met(&life, lives) {
            verdict.broken("dependencies_hold", format!("{job} is ready before its parents ended"));
        }
        if lives.insert(job.clone(), life).is_some() {
            verdict.broken("one_job_once", format!("{job} was accepted twice"));
        }
    }

    fn chained(&mut self, kind: &str, body: &Value, at: i64, seq: i64, lives: &mut Lives, verdict: &mut Verdict) {
        let job = text(&body["job"]);
        let parents_met = lives.get(&job).is_some_and(|life| met(life, lives));
        let Some(life) = lives.get_mut(&job) else {
            verdict.broken("history_whole", format!("{kind} of {job}, which was never accepted"));
            return;
        };
        if body["prev"].as_i64() != Some(life.last_seq) {
            let what = format!("{kind} of {job} at {seq} follows {}, not {}", body["prev"], life.last_seq);
            verdict.broken("history_whole", what);
        }
        life.last_seq = seq;
        if life.finish.is_some() {
            verdict.broken("final_is_final", format!("{kind} of {job} at {seq}, after its end"));
        }
        let attempt = body["attempt"].as_u64().unwrap_or_default();
        match kind {
            "job_ready" => {
                life.waiting = true;
                if body["cause"] == "unblocked" && !parents_met {
                    verdict.broken("dependencies_hold", format!("{job} was unblocked before its parents ended"));
                }
            }
            "lease_granted" => {
                if !parents_met {
                    verdict.broken("dependencies_hold", format!("{job} was handed out without its parents"));
                }
                self.granted(&job, body, attempt, life, verdict);
                (life.granted_at, life.spoke) = (at, body["auto_ack"] == false);
            }
            "lease_acked" if life.open != Some(attempt) => {
                verdict
                    .broken("one_current_lease", format!("{job}: ack of attempt {attempt}, open is {:?}", life.open));
            }
            "lease_acked" => life.spoke = true,
            "attempt_ended" => {
                self.ended(&job, body, attempt, at, life, verdict);
                life.waiting = body["next"] == "now";
            }
            "job_finished" => self.finished(&job, body, attempt, at, seq, life, verdict),
            "cancel_requested" => life.cancel_requested = true,
            _ => {}
        }
    }

    fn granted(&mut self, job: &str, body: &Value, attempt: u64, life: &mut Life, verdict: &mut Verdict) {
        verdict.count("grants", 1);
        if let Some(open) = life.open {
            verdict.broken("one_current_lease", format!("{job}: attempt {attempt} while {open} is open"));
        } else if !life.waiting {
            verdict.broken("one_current_lease", format!("{job}: attempt {attempt} although it was not ready"));
        }
        if attempt != life.grants.len() as u64 + 1 {
            verdict.broken("one_current_lease", format!("{job}: attempt {attempt} after {}", life.grants.len()));
        }
        let lane = self.lanes.get(&body["lane"].as_u64().unwrap_or_default());
        let source = lane.and_then(|(_, source)| source.clone());
        let held = self.paused.contains("tenant")
            || self.paused.contains(&format!("{{\"job_type\":\"{}\"}}", life.job_type))
            || self.paused.contains(&format!("{{\"lane\":{}}}", body["lane"]))
            || source.is_some_and(|source| self.paused.contains(&format!("{{\"source\":\"{source}\"}}")));
        if held {
            verdict.broken("pauses_hold", format!("{job} ({}) was handed out although paused", life.job_type));
        }
        let open = self.open_by_type.entry(life.job_type.clone()).or_default();
        *open += 1;
        let max = self.job_types.get(&life.job_type).and_then(|doc| doc["concurrency_max"].as_u64());
        if max.is_some_and(|max| *open > max) {
            verdict.broken("limits_hold", format!("{open} of {} are handed out", life.job_type));
        }
        life.open = Some(attempt);
        life.waiting = false;
        life.grants.push(Grant {
            attempt,
            claim: text(&body["claim"]),
            session: text(&body["session"]),
            lease_ms: body["lease_ms"].as_i64().unwrap_or_default(),
        });
    }

    fn ended(&mut self, job: &str, body: &Value, attempt: u64, at: i64, life: &mut Life, verdict: &mut Verdict) {
        if life.open != Some(attempt) {
            let what = format!("{job}: end of attempt {attempt}, open is {:?}", life.open);
            verdict.broken("one_current_lease", what);
        }
        if life.open.take().is_some()
            && let Some(open) = self.open_by_type.get_mut(&life.job_type)
        {
            *open = open.saturating_sub(1);
        }
        let outcome = text(&body["outcome"]);
        match outcome.as_str() {
            "failed" | "timed_out" => life.tries += 1,
            "lost" => {
                life.lost += 1;
                let lease_ms = life.grants.last().map_or(0, |grant| grant.lease_ms);
                // An acknowledgement, which may be repeated, and follow-up jobs are signs of life that do not extend
                // the lease. Nor does a log; what attempts have logged is looked up at the end.
                let heard = body["heard_at"].as_i64();
                let from = heard.map(|heard| if life.spoke { life.granted_at } else { heard });
                let silent = from.map(|from| at - from);
                if let Some(silent) = silent.filter(|silent| *silent < lease_ms) {
                    life.early.push((i64::try_from(attempt).unwrap_or_default(), silent, lease_ms));
                }
            }
            _ => {}
        }
        life.ends.push(End { attempt, outcome, reported: body["report"].is_string() });
    }

    #[expect(clippy::too_many_arguments, reason = "the fact's parts, passed on once")]
    fn finished(
        &mut self,
        job: &str,
        body: &Value,
        attempt: u64,
        at: i64,
        seq: i64,
        life: &mut Life,
        verdict: &mut Verdict,
    ) {
        if body["outcome"].is_string() {
            self.ended(job, body, attempt, at, life, verdict);
        } else if let Some(open) = life.open {
            verdict.broken("one_current_lease", format!("{job} ended while attempt {open} was open"));
        }
        let policy = |name: &str| {
            let doc = self.job_types.get(&life.job_type);
            doc.and_then(|doc| doc[name].as_u64()).unwrap_or_default()
        };
        let early = match text(&body["cause"]).as_str() {
            "tries_spent" => life.tries < policy("tries_max"),
            "worker_lost" => life.lost < policy("lost_max"),
            _ => false,
        };
        if early {
            let what = format!("{job} failed of {} after {} tries and {} lost", body["cause"], life.tries, life.lost);
            verdict.broken("tries_counted", what);
        }
        let state = text(&body["state"]);
        verdict.count(&format!("{state} jobs"), 1);
        let result_sha256 = body["result_sha256"].as_str().map(str::to_owned);
        life.waiting = false;
        life.finish = Some(Finish { state, attempt, seq, result_sha256 });
    }
}

/// Whether all parents of a job have ended as they should.
fn met(life: &Life, lives: &Lives) -> bool {
    life.depends_on.iter().all(|(parent, succeeded)| {
        let finish = lives.get(parent).and_then(|parent| parent.finish.as_ref());
        finish.is_some_and(|finish| !succeeded || finish.state == "succeeded")
    })
}
