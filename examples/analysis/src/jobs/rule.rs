//! `analysis.rule`: applies one rule to what the rules before it left. One runs at a time, in their order.

use orch_client::{Done, HandlerError, JobContext};
use serde::{Deserialize, Serialize};

use super::{Gathered, POLICY, RULE, RulePayload, earlier, failure, said};
use crate::{
    matching::Finding,
    policy::{Rule, Step},
};

/// What a rule job decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The rule.
    pub rule: Rule,
    /// The findings that the whole policy is applied to.
    pub of: String,
    /// Findings that it decided.
    pub decided: u64,
    /// Findings that it left.
    pub left: u64,
    /// The artifact that holds both.
    pub sha256: String,
}

pub(super) async fn run(ctx: JobContext, payload: RulePayload) -> Result<Done, HandlerError> {
    let index = ctx.run().and_then(|part| part.index).ok_or_else(|| failure::of_earlier("the job is no item"))?;
    let gathered: Gathered = earlier::one(&ctx, POLICY).await?;
    let before: Vec<Finding> = match index.checked_sub(1) {
        None => earlier::kept(&ctx, &gathered.sha256).await?,
        Some(before) => steps(&ctx, &gathered, before + 1).await?.pop().map(|step| step.left).unwrap_or_default(),
    };
    let rule = payload.item;
    let step = rule.apply(before);
    let artifact = earlier::keep(&ctx, &step).await?;
    ctx.log(format!("{}: {}, {} left", rule.name, said(rule.verdict, step.decided.len()), step.left.len()));
    let decided = Decided {
        rule,
        of: gathered.sha256,
        decided: step.decided.len() as u64,
        left: step.left.len() as u64,
        sha256: artifact.sha256.clone(),
    };
    Ok(Done::result(&decided)?.artifact(artifact))
}

/// What the first so many rules made of the findings, in their order.
pub(super) async fn steps(ctx: &JobContext, gathered: &Gathered, count: u32) -> Result<Vec<Step>, HandlerError> {
    let done = earlier::all::<Decided>(ctx, RULE).await?;
    let mut steps = Vec::new();
    for index in 0..count {
        let own = done.iter().find(|done| done.index == Some(index) && done.result.of == gathered.sha256);
        let own = own.ok_or_else(|| failure::of_earlier(format!("rule {index} was not applied")))?;
        // Only the last one's rest is used, but all that were decided stand in the report.
        steps.push(earlier::kept(ctx, &own.result.sha256).await?);
    }
    Ok(steps)
}
