//! A claim of a worker for all tenants, whose work lies on several shards: this node asks their owners in turn, parks at
//! all of them when none has work, and gives back what is more than the worker asked for.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use futures::future::{join, join_all, select_all};
use orch_core::ids::{ShardNo, TenantNo};
use orch_dispatch::answer::Grant;
use orch_dispatch::command::ClaimParams;
use orch_dispatch::{Answer, Command};
use tokio::time::timeout;

use crate::engine::{Engine, unexpected};
use crate::error::Error;

/// When a claim that is parked is recalled once more. Both calls are answered together unless the second overtook.
const RECALL_AGAIN: Duration = Duration::from_millis(50);
/// Waiting for a node that says nothing for so long would keep from the worker what others granted.
const RECALL_MAX: Duration = Duration::from_secs(2);

impl Engine {
    /// Grants of all these shards together, at most as many as the claim asks for.
    pub(crate) async fn claim_over(&self, shards: &[ShardNo], params: ClaimParams) -> Result<Answer, Error> {
        // Another shard is first each time, so that none is always served last; the same claim goes the same way.
        let first = usize::from(params.claim.0.as_bytes()[15]) % shards.len();
        let shards: Vec<_> = shards.iter().cycle().skip(first).take(shards.len()).copied().collect();
        let mut grants = Vec::new();
        for shard in &shards {
            let max = params.max.saturating_sub(grants.len());
            match self.claim_at(*shard, &params, max, false).await {
                Ok(Some(more)) => grants.extend(more),
                Ok(None) => return Ok(Answer::Draining),
                // What others granted is not lost to a shard that changes hands.
                Err(Error::NotOwner { .. }) if !grants.is_empty() => {}
                Err(error) => return Err(error),
            }
            if grants.len() >= params.max {
                break;
            }
        }
        if grants.is_empty() && params.wait_until.is_some() {
            grants = match self.parked(&shards, &params).await? {
                Some(grants) => grants,
                None => return Ok(Answer::Draining),
            };
        }
        Ok(Answer::Claimed(self.within(grants, params.max).await?))
    }

    /// Parks at all shards until one has work, and then takes what the others granted meanwhile.
    async fn parked(&self, shards: &[ShardNo], params: &ClaimParams) -> Result<Option<Vec<Grant>>, Error> {
        let share = params.max.div_ceil(shards.len());
        let claims = shards.iter().map(|shard| Box::pin(self.claim_at(*shard, params, share, true)));
        let (first, place, others) = select_all(claims).await;
        // The futures that are left have another order, which does not matter: all are awaited.
        let recalled = shards.iter().zip(0..).filter(|(_, at)| *at != place).map(|(shard, _)| *shard);
        let recalled = self.recalled(recalled.collect(), params, others).await;
        let Some(mut grants) = first? else { return Ok(None) };
        grants.extend(recalled);
        Ok(Some(grants))
    }

    /// Ends parked claims by the same claim again, which takes a parked one's place and returns what it has.
    ///
    /// On its way to another node the second call can overtake the first, which then parks when nobody waits for it
    /// any more, and would be granted jobs that no worker hears of. So the second is sent until the first is answered.
    async fn recalled<C>(&self, shards: Vec<ShardNo>, params: &ClaimParams, parked: Vec<C>) -> Vec<Grant>
    where
        C: Future<Output = Result<Option<Vec<Grant>>, Error>>,
    {
        let mut parked = pin!(join_all(parked));
        let mut answers = Vec::new();
        let until = self.inner.clock.elapsed() + RECALL_MAX;
        loop {
            let again = join_all(shards.iter().map(|shard| self.claim_at(*shard, params, 0, false)));
            let (recalled, ended) = join(again, timeout(RECALL_AGAIN, &mut parked)).await;
            answers.extend(recalled);
            match ended {
                Ok(ended) => {
                    answers.extend(ended);
                    break;
                }
                Err(_) if self.inner.clock.elapsed() < until => {}
                Err(_) => {
                    tracing::warn!("a parked claim was not ended: what it is granted comes back when nobody beats");
                    break;
                }
            }
        }
        let mut known = HashSet::new();
        let mut grants = Vec::new();
        for answer in answers {
            match answer {
                Ok(more) => grants.extend(more.into_iter().flatten().filter(|grant| known.insert(grant.token.job))),
                // It comes back by itself: the worker never heard of it.
                Err(error) => tracing::debug!(%error, "a parked claim was not recalled"),
            }
        }
        grants
    }

    /// `None`: the session is draining.
    async fn claim_at(
        &self,
        shard: ShardNo,
        params: &ClaimParams,
        max: usize,
        wait: bool,
    ) -> Result<Option<Vec<Grant>>, Error> {
        let wait_until = params.wait_until.filter(|_| wait);
        match self.at(shard, Command::Claim(ClaimParams { max, wait_until, ..params.clone() })).await? {
            Answer::Claimed(grants) => Ok(Some(grants)),
            Answer::Draining => Ok(None),
            answer => Err(unexpected(&answer)),
        }
    }

    /// Gives back what is more than the worker asked for.
    async fn within(&self, mut grants: Vec<Grant>, max: usize) -> Result<Vec<Grant>, Error> {
        if grants.len() > max {
            let tokens = grants.split_off(max).into_iter().map(|grant| grant.token).collect();
            let release = Command::Release { tenants: vec![TenantNo::SYSTEM], tokens };
            Box::pin(self.command(release)).await?;
        }
        Ok(grants)
    }
}
