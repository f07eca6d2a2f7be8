//! The graph that a run of an SBOM follows, its job types, and the handlers that a worker needs.
//!
//! ```text
//! load ──► match, one for each chunk ──► policy ──► rule, one after another ──► report
//! ```
//! What passes from step to step lies in artifacts, named by digest; results say which. Every handler may run twice.

use orch_client::{Client, Error, FanOut, Graph, JobType, Step, WorkerBuilder};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::policy::{Rule, Verdict};

mod earlier;
mod failure;
mod load;
mod matching;
mod policy;
mod report;
mod rule;

pub use load::{Chunk, Loaded};
pub use matching::Matched;
pub use policy::Gathered;
pub use report::Reported;
pub use rule::Decided;

/// The graph's name.
pub const GRAPH: &str = "analysis";
/// Reads an SBOM and cuts its components into chunks.
pub const LOAD: &str = "analysis.load";
/// Compares a chunk of components with the advisories.
pub const MATCH: &str = "analysis.match";
/// Gathers what was found.
pub const POLICY: &str = "analysis.policy";
/// Applies one rule to what those before it left.
pub const RULE: &str = "analysis.rule";
/// Writes the report.
pub const REPORT: &str = "analysis.report";

/// The label that names a run's SBOM.
pub const SBOM_LABEL: &str = "sbom";

/// Chunks of an SBOM at most; their list must fit into a result.
const CHUNKS_MAX: u32 = 400;
/// Chunks of an SBOM that are compared at the same time.
const CHUNKS_AT_ONCE: u32 = 4;
/// Rules of a policy at most.
pub const RULES_MAX: u32 = 50;

/// What a run is of: the inputs of the graph, and part of the payload of most steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The artifact that holds the SBOM.
    pub sbom: String,
    /// The artifact that holds the advisories that speak of its packages.
    pub advisories: String,
}

/// What a match job is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchPayload {
    /// The artifact that holds the advisories.
    pub advisories: String,
    /// The chunk.
    pub item: Chunk,
}

/// What a policy job is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyPayload {
    /// The rules, in their order.
    pub rules: Vec<Rule>,
}

/// What a rule job is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulePayload {
    /// The rule.
    pub item: Rule,
}

/// The graph, with these rules in it: other rules are another version, whose runs are others.
#[must_use]
pub fn graph(rules: &[Rule]) -> Graph {
    let chunks = FanOut::over("load", "/chunks", CHUNKS_MAX).at_most(CHUNKS_AT_ONCE);
    let rules_in_order = FanOut::over("policy", "/rules", RULES_MAX).at_most(1);
    Graph::named(GRAPH)
        .description("matches an SBOM with the merged feed")
        .step(Step::job("load", LOAD).input("sbom").input("advisories"))
        .step(Step::map("match", MATCH, chunks).input("advisories").after("load"))
        .step(Step::job("policy", POLICY).payload(json!({"rules": rules})).after("match"))
        .step(Step::map("rule", RULE, rules_in_order).after("policy"))
        .step(Step::job("report", REPORT).input("sbom").input("advisories").after("rule"))
}

/// The job types with their policies.
#[must_use]
pub fn job_types() -> Vec<JobType> {
    let job_type = |name: &str, description: &str| JobType {
        description: Some(description.to_owned()),
        tries_max: Some(10),
        backoff_ms: Some(250),
        backoff_ms_max: Some(10_000),
        ..JobType::new(name)
    };
    vec![
        job_type(LOAD, "reads an SBOM and cuts its components into chunks"),
        job_type(MATCH, "compares a chunk of components with the advisories"),
        job_type(POLICY, "gathers what was found"),
        job_type(RULE, "applies one rule to what those before it left"),
        job_type(REPORT, "writes the report"),
    ]
}

/// Makes sure that the job types and the graph are there.
///
/// # Errors
/// The server refuses or cannot be reached.
pub async fn declare(client: &Client, rules: &[Rule]) -> Result<(), Error> {
    for job_type in job_types() {
        client.job_types().create(&job_type).await?;
    }
    client.graphs().create(&graph(rules)).await?;
    Ok(())
}

/// Adds the handlers of all job types to a worker.
#[must_use]
pub fn handlers(builder: WorkerBuilder) -> WorkerBuilder {
    builder
        .handler(LOAD, load::run)
        .handler(MATCH, matching::run)
        .handler(POLICY, policy::run)
        .handler(RULE, rule::run)
        .handler(REPORT, report::run)
}

/// How a verdict stands in a result, for people who look at a job.
fn said(verdict: Verdict, findings: usize) -> String {
    format!("{findings} to {}", verdict.name())
}
