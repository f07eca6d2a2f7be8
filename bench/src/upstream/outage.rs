//! The upstream is dead for a while, and each tenant has a breaker for it: how many attempts the breakers let begin, what
//! their failures cost, and how the requests come back. When breakers are open is asked of the server, again and again;
//! what was granted and what it cost is read from history.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use orch_bench::clock;
use orch_client::{Breaker, Client, HistoryEntry};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::load::Tasks;
use crate::upstream::crew::HOST;
use crate::upstream::history::History;

/// How often breakers are looked at: several times while one is open.
const LOOK: Duration = Duration::from_millis(100);
/// The breaker's name.
const BREAKER: &str = "upstream";

/// A state of a tenant's breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    tenant: usize,
    state: String,
    since: Timestamp,
}

/// What was seen of all breakers; states that follow on each other.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<Vec<Seen>>>);

/// What an outage came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// Intervals in which a breaker was open, each until its canary ended.
    pub intervals: usize,
    /// The most attempts that began in one of them.
    pub probes_max: usize,
    /// Tries that were spent in them.
    pub tries: usize,
    /// Tries that were spent before: what it cost to find out.
    pub tries_before: usize,
    /// Failures in all.
    pub failures: usize,
}

/// A breaker is open, or its canary is under way.
#[derive(Clone, Copy, Debug)]
struct Interval {
    tenant: usize,
    from: Timestamp,
    until: Timestamp,
}

/// A tenant's failure, when it was, and whether it cost a try.
type Failure = (usize, Timestamp, bool);

/// What history says of attempts of a tenant.
#[derive(Debug, Default)]
struct Facts {
    grants: Vec<(usize, Timestamp)>,
    /// Successes: when they were granted, and when they were reported.
    successes: Vec<(usize, Timestamp, Timestamp)>,
    failures: Vec<Failure>,
}

/// Declares a breaker for the host in each tenant.
pub async fn declare(cluster: &Cluster, open: Duration) -> Result<()> {
    for tenant in cluster.tenants() {
        let open_ms = u64::try_from(open.as_millis())?;
        let breaker = Breaker {
            failures_percent: Some(50),
            outcomes_min: Some(4),
            window_ms: Some(5_000),
            open_ms: Some(open_ms),
            open_ms_max: Some(2 * open_ms),
            ramp_max: Some(8),
            ..Breaker::of_host(BREAKER, HOST)
        };
        cluster.client(&tenant.token, 0)?.breakers().create(&breaker).await?;
    }
    Ok(())
}

impl Watch {
    /// Looks at all breakers until the tasks are aborted.
    pub fn begin(&self, cluster: &Cluster, tasks: &mut Tasks) -> Result<()> {
        for (number, tenant) in cluster.tenants().iter().enumerate() {
            let (client, seen) = (cluster.client(&tenant.token, 0)?, self.clone());
            tasks.spawn(async move { seen.look(number, client).await });
        }
        Ok(())
    }

    async fn look(self, tenant: usize, client: Client) -> Result<()> {
        let mut last = None;
        loop {
            let found = client.breakers().state(BREAKER).await?;
            let now = Seen { tenant, state: found.state, since: found.since };
            if last.as_ref() != Some(&now) {
                last = Some(now.clone());
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(now);
            }
            clock::pause(LOOK).await;
        }
    }

    /// Each from an opening to the next one or to the ramp.
    fn intervals(&self, tenants: usize) -> Vec<Interval> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |tenant| {
            let theirs: Vec<_> = seen.iter().filter(|it| it.tenant == tenant && it.state != "probing").collect();
            let ends = theirs.iter().skip(1).map(|it| it.since).chain([Timestamp::MAX]);
            let all: Vec<_> = theirs.iter().zip(ends).filter(|(it, _)| it.state == "open").collect();
            all.into_iter().map(move |(it, until)| Interval { tenant, from: it.since, until }).collect::<Vec<_>>()
        };
        (0..tenants).flat_map(of).collect()
    }

    /// Judges by what history says of all jobs that were begun.
    pub fn judge(&self, histories: &[History]) -> Outage {
        let mut facts = Facts::default();
        for History { tenant, entries, .. } in histories {
            entries.iter().for_each(|entry| facts.take(*tenant, entry));
        }
        let tenants = histories.iter().map(|it| it.tenant + 1).max().unwrap_or(0);
        let intervals: Vec<_> = self.intervals(tenants).into_iter().map(|it| facts.until_success(it)).collect();
        facts.tell_crowds(&intervals);
        facts.outage(&intervals)
    }
}

impl Facts {
    fn take(&mut self, tenant: usize, HistoryEntry { at, kind, data, .. }: &HistoryEntry) {
        match kind.as_str() {
            "lease_granted" => self.grants.push((tenant, *at)),
            "attempt_ended" if data["outcome"] == "failed" => {
                self.failures.push((tenant, *at, data["free"] != Value::Bool(true)));
            }
            "job_finished" if data["cause"] == "reported" => {
                // A job's facts come in order: the last grant is its own.
                let granted = self.grants.last().map_or(*at, |(_, granted)| *granted);
                self.successes.push((tenant, granted, *at));
            }
            "job_finished" if data["cause"] == "tries_spent" => self.failures.push((tenant, *at, true)),
            _ => {}
        }
    }

    /// A canary that succeeds ends its interval, whether or not somebody saw the ramp that follows.
    fn until_success(&self, it: Interval) -> Interval {
        let theirs = self.successes.iter().filter(|(of, granted, _)| *of == it.tenant && *granted > it.from);
        let first = theirs.map(|(_, _, at)| *at).min();
        Interval { until: first.map_or(it.until, |first| first.min(it.until)), ..it }
    }

    /// Attempts that were granted while it lasted; one of its last millisecond follows on its end.
    fn grants_in(&self, it: &Interval) -> impl Iterator<Item = Timestamp> {
        let inside = |of: usize, at: Timestamp| of == it.tenant && at > it.from && at < it.until;
        self.grants.iter().filter(move |(of, at)| inside(*of, *at)).map(|(_, at)| *at)
    }

    /// Shows the intervals in which more than one attempt began.
    fn tell_crowds(&self, intervals: &[Interval]) {
        for it in intervals.iter().filter(|it| self.grants_in(it).count() > 1) {
            eprintln!("dead: {it:?} holds grants {:?}", self.grants_in(it).collect::<Vec<_>>());
        }
    }

    fn outage(&self, intervals: &[Interval]) -> Outage {
        let inside = |it: &Interval, of: usize, at: Timestamp| it.tenant == of && at > it.from && at <= it.until;
        let probes = |it: &Interval| self.grants_in(it).count();
        let spent = self.failures.iter().filter(|(_, _, spent)| *spent);
        let (open, before): (Vec<&Failure>, Vec<&Failure>) =
            spent.partition(|(of, at, _)| intervals.iter().any(|it| inside(it, *of, *at)));
        Outage {
            intervals: intervals.len(),
            probes_max: intervals.iter().map(probes).max().unwrap_or(0),
            tries: open.len(),
            tries_before: before.len(),
            failures: self.failures.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn an_interval_lasts_until_the_next_opening_or_the_ramp() {
        let states = [("closed", 0), ("open", 10), ("probing", 20), ("open", 21), ("probing", 40), ("ramp", 42)];
        let seen = states.map(|(state, since)| Seen { tenant: 0, state: state.to_owned(), since: at(since) });
        let watch = Watch(Arc::new(Mutex::new(seen.to_vec())));
        let intervals = watch.intervals(2);
        let found: Vec<_> = intervals.iter().map(|it| (it.tenant, it.from, it.until)).collect();
        assert_eq!(found, [(0, at(10), at(21)), (0, at(21), at(42))]);
        let mut facts = Facts { grants: vec![(0, at(5)), (0, at(20)), (0, at(40)), (1, at(20))], ..Facts::default() };
        facts.failures = vec![(0, at(10), true), (0, at(12), false), (0, at(21), false)];
        let outage = Outage { intervals: 2, probes_max: 1, tries: 0, tries_before: 1, failures: 3 };
        assert_eq!(facts.outage(&intervals), outage);
        facts.grants.push((0, at(15)));
        facts.failures.push((0, at(13), true));
        assert_eq!(facts.outage(&intervals), Outage { probes_max: 2, tries: 1, failures: 4, ..outage });
        facts.successes.push((0, at(12), at(14)));
        assert_eq!(facts.until_success(intervals[0]).until, at(14));
        assert_eq!(facts.until_success(intervals[1]).until, at(42));
    }
}
