//! The faults: what is killed, in which order and when, all from one seed.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::clock::{Stopwatch, pause};
use crate::site::Site;

/// What can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Server,
    Worker,
    /// SIGKILL to the postmaster.
    DatabaseKilled,
    /// The immediate shutdown, which ends every backend at once.
    DatabaseStopped,
}

/// How often each fault fired, and how long a killed server took to answer again.
#[derive(Debug, Default)]
pub struct Fired {
    server: u32,
    worker: u32,
    database_killed: u32,
    database_stopped: u32,
    /// Seconds from each start of the server to its ready line.
    ready_seconds: Vec<f64>,
}

impl Fired {
    /// What did not fire often enough.
    pub fn findings(&self, each: u32, with_database: bool) -> Vec<String> {
        let mut counts = vec![("the server", self.server), ("the worker", self.worker)];
        if with_database {
            counts.push(("PostgreSQL", self.database_killed + self.database_stopped));
        }
        let rare = counts.into_iter().filter(|(_, count)| *count < each);
        rare.map(|(name, count)| format!("{name} was killed {count} times, not {each}")).collect()
    }

    /// For people.
    pub fn text(&self) -> String {
        let slowest = self.ready_seconds.iter().copied().fold(0.0, f64::max);
        format!(
            "killed: server {}, worker {}, PostgreSQL {} by SIGKILL and {} by immediate stop; \
             slowest restart of the server {slowest:.1} s",
            self.server, self.worker, self.database_killed, self.database_stopped
        )
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "server": self.server, "worker": self.worker, "database_killed": self.database_killed,
            "database_stopped": self.database_stopped, "server_ready_seconds": self.ready_seconds,
        })
    }
}

/// Kills each victim `each` times, in a seeded order, with seeded pauses before and after.
pub fn fire(site: &mut Site, each: u32, chance: &mut Chance) -> Result<Fired> {
    let mut fired = Fired::default();
    for victim in order(each, site.cluster().is_some(), chance) {
        pause(Duration::from_millis(chance.between(500, 3_000)));
        let down = Duration::from_millis(chance.between(0, 1_500));
        strike(site, victim, down, &mut fired)?;
    }
    // One more stretch with everything alive, so that the last fault is recovered from while work goes on.
    pause(Duration::from_secs(2));
    Ok(fired)
}

fn strike(site: &mut Site, victim: Victim, down: Duration, fired: &mut Fired) -> Result<()> {
    match victim {
        Victim::Server => {
            fired.server += u32::from(site.kill_server()?);
            pause(down);
            let watch = Stopwatch::start();
            site.start_server()?;
            fired.ready_seconds.push(watch.seconds());
        }
        Victim::Worker => {
            fired.worker += u32::from(site.kill_worker()?);
            pause(down);
            site.start_worker()?;
        }
        Victim::DatabaseKilled | Victim::DatabaseStopped => {
            let Some(cluster) = site.cluster() else {
                return Ok(());
            };
            let ran = u32::from(cluster.pid().is_some());
            if victim == Victim::DatabaseKilled {
                cluster.kill()?;
                fired.database_killed += ran;
            } else {
                cluster.stop_immediately()?;
                fired.database_stopped += ran;
            }
            pause(down);
            cluster.start_again()?;
        }
    }
    Ok(())
}

/// Every victim `each` times, shuffled; the database's two deaths in turn.
fn order(each: u32, with_database: bool, chance: &mut Chance) -> Vec<Victim> {
    let mut order = Vec::new();
    for round in 0..each {
        order.extend([Victim::Server, Victim::Worker]);
        if with_database {
            order.push(if round % 2 == 0 { Victim::DatabaseKilled } else { Victim::DatabaseStopped });
        }
    }
    for index in (1..order.len()).rev() {
        let other = chance.between(0, index as u64 + 1);
        order.swap(index, usize::try_from(other).unwrap_or(index));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_order_and_everything_is_killed() {
        let first = order(3, true, &mut Chance::seeded(5));
        assert_eq!(first, order(3, true, &mut Chance::seeded(5)));
        assert_ne!(first, order(3, true, &mut Chance::seeded(6)));
        assert_eq!(first.len(), 9);
        assert!(first.contains(&Victim::DatabaseKilled) && first.contains(&Victim::DatabaseStopped));
        assert_eq!(order(2, false, &mut Chance::seeded(5)).len(), 4);
    }

    #[test]
    fn faults_that_did_not_fire_are_findings() {
        let fired = Fired { server: 3, worker: 2, database_killed: 2, database_stopped: 1, ..Fired::default() };
        assert_eq!(fired.findings(3, true), ["the worker was killed 2 times, not 3"]);
        assert_eq!(fired.findings(2, true), Vec::<String>::new());
    }
}
