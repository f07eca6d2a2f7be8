//! What history says of the jobs whose attempts began: how long after the moment from which its request may leave each
//! attempt began at its worker.

use std::collections::BTreeSet;

use anyhow::Result;
use jiff::Timestamp;
use orch_client::{HistoryEntry, JobId};
use serde::Serialize;

use crate::cluster::Cluster;
use crate::upstream::crew::Begun;

/// The history of a job.
pub struct History {
    /// The tenant's number.
    pub tenant: usize,
    /// The job.
    pub job: JobId,
    /// What happened to it, in order.
    pub entries: Vec<HistoryEntry>,
}

/// How long after its moment something happened, in milliseconds; before it: less than nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Late {
    /// The least.
    pub min: i64,
    /// The middle.
    pub p50: i64,
    /// 99 of 100 are not later.
    pub p99: i64,
    /// The most.
    pub max: i64,
}

/// How long after the moment from which their requests may leave attempts were granted and began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lateness {
    /// They were granted.
    pub granted: Late,
    /// They began at their workers.
    pub began: Late,
}

impl Late {
    fn of(mut all: Vec<i64>) -> Self {
        all.sort_unstable();
        let at = |part: usize| all.get((all.len().saturating_sub(1)) * part / 100).copied().unwrap_or(0);
        Self { min: at(0), p50: at(50), p99: at(99), max: at(100) }
    }

    /// As it stands in tables.
    pub fn text(self) -> String {
        let Self { min, p50, p99, max } = self;
        format!("{min}/{p50}/{p99}/{max}")
    }
}

/// Reads the history of all jobs of these attempts.
pub async fn read(cluster: &Cluster, begun: &[Begun]) -> Result<Vec<History>> {
    let clients = cluster.tenants().iter().map(|tenant| cluster.client(&tenant.token, 0));
    let clients = clients.collect::<Result<Vec<_>>>()?;
    let jobs: BTreeSet<_> = begun.iter().map(|it| (it.tenant, it.job)).collect();
    let mut histories = Vec::with_capacity(jobs.len());
    for (tenant, job) in jobs {
        histories.push(History { tenant, job, entries: clients[tenant].jobs().history(&job).await? });
    }
    Ok(histories)
}

/// How late attempts were. One that needed not wait has no such moment.
pub fn lateness(histories: &[History], begun: &[Begun]) -> Lateness {
    let ms = |from: Timestamp, to: Timestamp| to.as_millisecond() - from.as_millisecond();
    let (mut granted, mut began) = (Vec::new(), Vec::new());
    for it in begun {
        let of = histories.binary_search_by_key(&(it.tenant, it.job), |known| (known.tenant, known.job));
        let entries = of.map_or(&[][..], |place| &histories[place].entries);
        let grant = entries.iter().find(|entry| entry.kind == "lease_granted" && entry.data["attempt"] == it.attempt);
        let leaves_at = grant.and_then(|entry| entry.data["not_before"].as_str()?.parse::<Timestamp>().ok());
        if let Some((grant, leaves_at)) = grant.zip(leaves_at) {
            granted.push(ms(leaves_at, grant.at));
            began.push(ms(leaves_at, it.wall));
        }
    }
    Lateness { granted: Late::of(granted), began: Late::of(began) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_shown_beside_the_usual() {
        assert_eq!(Late::of((0..=100).rev().collect()), Late { min: 0, p50: 50, p99: 99, max: 100 });
        assert_eq!(Late::of(Vec::new()), Late::default());
    }
}
