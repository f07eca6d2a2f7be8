//! A claim of a worker for all tenants, whose work lies on several shards: this node asks their owners in turn, parks at
//! all of them when none has work, and gives back what is more than the worker asked for.

use futures::future::{join_all, select_all};
use orch_core::ids::{ShardNo, TenantNo};
use orch_dispatch::answer::Grant;
use orch_dispatch::command::ClaimParams;
use orch_dispatch::{Answer, Command};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

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
        // The same claim again takes the parked one's place and returns what it has; so nothing is granted to nobody.
        let recalled = shards.iter().zip(0..).filter(|(_, at)| *at != place);
        let recalled = join_all(recalled.map(|(shard, _)| self.claim_at(*shard, params, 0, false))).await;
        drop(others);
        let Some(mut grants) = first? else { return Ok(None) };
        for more in recalled {
            match more {
                Ok(more) => grants.extend(more.unwrap_or_default()),
                // It comes back by itself: the worker never heard of it.
                Err(error) => tracing::debug!(%error, "a parked claim was not recalled"),
            }
        }
        Ok(Some(grants))
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
