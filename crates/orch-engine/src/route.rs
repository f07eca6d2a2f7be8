//! Which shards a command is for: most are one tenant's; what workers send can be for several, and is parted and joined.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use orch_core::ids::{ShardNo, TenantNo};
use orch_core::refusal::Code;
use orch_dispatch::command::{Beat, Completion, Read, speaks_for};
use orch_dispatch::{Answer, Command};
use sha2::{Digest as _, Sha256};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

impl Engine {
    /// Runs a command and returns its answer once that is committed, wherever its shards are served.
    ///
    /// A command for several shards that fails at one of them fails as a whole, though the others may have run it:
    /// all such commands may be repeated.
    ///
    /// # Errors
    /// Refusals, and whatever kept the command from being answered.
    pub async fn command(&self, command: Command) -> Result<Answer, Error> {
        self.inner.memory.takes(&command)?;
        match command {
            Command::CreateTenant(row) => {
                let shard = self.home_of_new(&row.name).await?;
                self.at(shard, Command::CreateTenant(row)).await
            }
            Command::OpenSession(params) => {
                let opening = self.shards_of(&params.tenants).into_iter();
                try_join_all(opening.map(|shard| self.at(shard, Command::OpenSession(params.clone())))).await?;
                Ok(Answer::Done)
            }
            Command::Claim(params) => match &self.shards_of(&[params.session.tenant()])[..] {
                [shard] => self.at(*shard, Command::Claim(params)).await,
                shards => self.claim_over(shards, params).await,
            },
            Command::Ack { tenants, tokens } => {
                let parts = Parts::by(tokens, &tenants, |token| token.tenant);
                self.items(parts, |tokens| Command::Ack { tenants: tenants.clone(), tokens }).await
            }
            Command::Release { tenants, tokens } => {
                let parts = Parts::by(tokens, &tenants, |token| token.tenant);
                self.items(parts, |tokens| Command::Release { tenants: tenants.clone(), tokens }).await
            }
            Command::Heartbeat { tenants, session, beats } => self.heartbeat(tenants, session, beats).await,
            Command::Complete { tenants, completions } => self.complete(tenants, completions).await,
            Command::Drain { tenant, session } => {
                let shards = self.shards_of(&[tenant]);
                let drain = |shard| self.at(shard, Command::Drain { tenant, session });
                one_found(futures::future::join_all(shards.into_iter().map(drain)).await)
            }
            Command::Read(Read::Marks) => {
                let reads = self.all_shards().into_iter().map(|shard| self.at(shard, Command::Read(Read::Marks)));
                let mut all = Vec::new();
                for answer in try_join_all(reads).await? {
                    match answer {
                        Answer::Marks(marks) => all.extend(marks),
                        answer => return Err(unexpected(&answer)),
                    }
                }
                Ok(Answer::Marks(all))
            }
            Command::Read(Read::Allotments) => {
                let reads = self.all_shards().into_iter().map(|shard| self.at(shard, Command::Read(Read::Allotments)));
                let mut all = Vec::new();
                for answer in try_join_all(reads).await? {
                    match answer {
                        Answer::Allotments(of) => all.extend(of),
                        answer => return Err(unexpected(&answer)),
                    }
                }
                Ok(Answer::Allotments(all))
            }
            command => self.at(command.home().shard(), command).await,
        }
    }

    /// All shards that were seen; shard 0 is always there.
    fn all_shards(&self) -> Vec<ShardNo> {
        let shards: Vec<_> = self.cluster().shards.iter().map(|row| row.shard).collect();
        if shards.is_empty() { vec![ShardNo(0)] } else { shards }
    }

    /// The shards on which these tenants live; `system` stands for all tenants.
    fn shards_of(&self, tenants: &[TenantNo]) -> Vec<ShardNo> {
        if tenants.contains(&TenantNo::SYSTEM) {
            return self.all_shards();
        }
        let mut shards: Vec<_> = tenants.iter().map(|tenant| tenant.shard()).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// Where a new tenant will live. The name decides, so that two tenants of one name meet on one shard; a name that is
    /// in use is looked for where it lives, which may be another since there are more shards now.
    async fn home_of_new(&self, name: &str) -> Result<ShardNo, Error> {
        if let [only] = self.all_shards()[..] {
            return Ok(only);
        }
        let tenants = self.ledger().tenant_list().await?;
        if let Some(known) = tenants.iter().find(|tenant| tenant.name == name) {
            return Ok(known.shard);
        }
        let shards = self.all_shards().into_iter();
        Ok(shards.max_by_key(|shard| weight(*shard, name)).unwrap_or_default())
    }

    /// A command on items, in parts, with its answers in the order of the items.
    async fn items<T>(&self, parts: Parts<T>, command: impl Fn(Vec<T>) -> Command) -> Result<Answer, Error> {
        let places = parts.places;
        let calls = parts.parts.into_iter().map(|(shard, items)| self.at(shard, command(items)));
        let mut answers = Vec::new();
        for answer in try_join_all(calls).await? {
            match answer {
                Answer::Items(items) => answers.push(items),
                answer => return Err(unexpected(&answer)),
            }
        }
        Ok(Answer::Items(joined(&places, answers)))
    }

    async fn complete(&self, tenants: Vec<TenantNo>, completions: Vec<Completion>) -> Result<Answer, Error> {
        let Parts { parts, places } = Parts::by(completions, &tenants, |completion| completion.token.tenant);
        let call = |(shard, completions)| self.at(shard, Command::Complete { tenants: tenants.clone(), completions });
        let mut answers = Vec::new();
        for answer in try_join_all(parts.into_iter().map(call)).await? {
            match answer {
                Answer::Completed(items) => answers.push(items),
                answer => return Err(unexpected(&answer)),
            }
        }
        Ok(Answer::Completed(joined(&places, answers)))
    }

    /// Each shard of the session hears of it, also those at which it has no lease now.
    async fn heartbeat(
        &self,
        tenants: Vec<TenantNo>,
        session: orch_core::ids::SessionId,
        beats: Vec<Beat>,
    ) -> Result<Answer, Error> {
        let Parts { mut parts, places } = Parts::by(beats, &tenants, |beat| beat.token.tenant);
        let places = match &self.shards_of(&tenants)[..] {
            all if parts.len() < all.len() => {
                let heard: Vec<_> = parts.iter().map(|(shard, _)| *shard).collect();
                parts.extend(all.iter().filter(|shard| !heard.contains(shard)).map(|shard| (*shard, Vec::new())));
                places
            }
            _ => places,
        };
        let call = |(shard, beats)| self.at(shard, Command::Heartbeat { tenants: tenants.clone(), session, beats });
        let (mut answers, mut draining) = (Vec::new(), false);
        for answer in try_join_all(parts.into_iter().map(call)).await? {
            match answer {
                Answer::Beats { leases, drain } => {
                    draining |= drain;
                    answers.push(leases);
                }
                answer => return Err(unexpected(&answer)),
            }
        }
        Ok(Answer::Beats { leases: joined(&places, answers), drain: draining })
    }
}

/// Items by the shard that they are for.
struct Parts<T> {
    parts: Vec<(ShardNo, Vec<T>)>,
    /// For each item, in order: its part.
    places: Vec<usize>,
}

impl<T> Parts<T> {
    /// An item of a tenant that the caller does not speak for goes where the caller's own tenant lives, and is refused
    /// there as any other: whether there is such a tenant or shard is nobody's to learn.
    fn by(items: Vec<T>, tenants: &[TenantNo], tenant: impl Fn(&T) -> TenantNo) -> Self {
        let own = tenants.first().map_or(ShardNo(0), |tenant| tenant.shard());
        let speaks = |no: &TenantNo| speaks_for(tenants, *no);
        let home = |item: &T| Some(tenant(item)).filter(speaks).map_or(own, TenantNo::shard);
        let mut numbers = BTreeMap::new();
        let (mut parts, mut places) = (Vec::<(ShardNo, Vec<T>)>::new(), Vec::with_capacity(items.len()));
        for item in items {
            let shard = home(&item);
            let place = *numbers.entry(shard).or_insert(parts.len());
            if place == parts.len() {
                parts.push((shard, Vec::new()));
            }
            parts[place].1.push(item);
            places.push(place);
        }
        if parts.is_empty() {
            parts.push((own, Vec::new()));
        }
        Self { parts, places }
    }
}

/// The answers of the parts, in the order of the items.
fn joined<T>(places: &[usize], answers: Vec<Vec<T>>) -> Vec<T> {
    let mut answers: Vec<_> = answers.into_iter().map(Vec::into_iter).collect();
    places.iter().filter_map(|place| answers.get_mut(*place)?.next()).collect()
}

/// Done where it was found; an error where it was found nowhere.
fn one_found(answers: Vec<Result<Answer, Error>>) -> Result<Answer, Error> {
    let mut found = None;
    let mut missing = None;
    for answer in answers {
        match answer {
            Ok(answer) => found = Some(answer),
            Err(Error::Refused(refusal)) if refusal.code == Code::NotFound => missing = Some(Error::Refused(refusal)),
            Err(error) => return Err(error),
        }
    }
    found.map_or_else(|| Err(missing.unwrap_or(Error::Draining)), Ok)
}

/// The weight of a name on a shard: it lives where that is greatest (rendezvous hashing, Thaler and Ravishankar 1998),
/// so that a further shard takes names only to itself.
fn weight(shard: ShardNo, name: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(shard.0.to_be_bytes());
    hash.update(name.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_in_the_order_of_the_items() {
        let tenants: Vec<_> = [0, 1, 2].map(|shard| ShardNo(shard).first_tenant()).to_vec();
        let items: Vec<_> = [2, 0, 1, 0, 2, 2, 1].map(|n| (n, tenants[n])).to_vec();
        let parts = Parts::by(items.clone(), &tenants, |(_, tenant)| *tenant);
        assert_eq!(parts.parts.len(), 3);
        assert!(parts.parts.iter().all(|(shard, items)| items.iter().all(|(_, tenant)| tenant.shard() == *shard)));
        let answers = parts.parts.into_iter().map(|(_, items)| items).collect();
        assert_eq!(joined(&parts.places, answers), items);
    }

    #[test]
    fn what_the_caller_does_not_speak_for_goes_to_its_own_shard() {
        let (own, other) = (ShardNo(3).first_tenant(), ShardNo(5).first_tenant());
        let parts = Parts::by(vec![other, own, TenantNo(u32::MAX)], &[own], |tenant| *tenant);
        assert_eq!(
            parts.parts.iter().map(|(shard, items)| (*shard, items.len())).collect::<Vec<_>>(),
            [(ShardNo(3), 3)]
        );
        let empty = Parts::by(Vec::<TenantNo>::new(), &[own], |tenant| *tenant);
        assert_eq!(empty.parts.len(), 1, "a call without items is answered all the same");
    }

    #[test]
    fn a_further_shard_takes_names_only_to_itself() {
        let home = |shards: u16, name: &str| (0..shards).map(ShardNo).max_by_key(|shard| weight(*shard, name));
        let names: Vec<_> = (0..1_000).map(|n| format!("tenant-{n}")).collect();
        let moved = names.iter().filter(|name| home(7, name) != home(6, name)).collect::<Vec<_>>();
        assert!(moved.iter().all(|name| home(7, name) == Some(ShardNo(6))));
        assert!((80..=210).contains(&moved.len()), "a seventh of them: {}", moved.len());
    }
}
