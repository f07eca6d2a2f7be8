//! The faults: which, in which order and when, all from one seed, and how each is done.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};
use xtask::chance::Chance;
use xtask::clock::{pause, wait_for};
use xtask::process::signal;

use crate::load::LEASE_MS;
use crate::load::caller::Caller;
use crate::proxy::Trick;
use crate::record::{Outcome, Recorder};
use crate::site::{Form, Site};

/// What is done to the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// SIGKILL to a server.
    KillServer,
    /// SIGKILL to the worker.
    KillWorker,
    /// SIGKILL to the postmaster.
    KillPostgres,
    /// The immediate shutdown.
    StopPostgres,
    /// SIGSTOP to the owner for longer than any lease, then SIGCONT.
    PauseServer,
    /// The same to the worker.
    PauseWorker,
    /// The connection to PostgreSQL is cut after the commit, before its answer.
    CutAfterCommit,
    /// The connection to PostgreSQL is cut as soon as the append is sent.
    CutAfterSend,
    /// The ledger's disk is full for a while.
    FullDisk,
    /// Each sync of the ledger takes much longer for a while.
    SlowDisk,
    /// One node's wall clock steps forward, back, and back to the truth.
    ClockStep,
    /// A worker aborts when it picks up a job.
    WorkerAborts,
    /// A worker's handler burns CPU and never yields.
    WorkerBurns,
    /// A worker's handler takes memory until there is none.
    WorkerLeaks,
}

impl Fault {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> String {
        json!(self).as_str().unwrap_or_default().to_owned()
    }

    /// The victim, when it is a kill.
    #[must_use]
    pub fn victim(self) -> Option<&'static str> {
        match self {
            Self::KillServer => Some("server"),
            Self::KillWorker => Some("worker"),
            Self::KillPostgres | Self::StopPostgres => Some("postgres"),
            _ => None,
        }
    }
}

/// How many kills of server, worker and PostgreSQL one ledger gets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Share {
    /// Servers.
    pub server: u32,
    /// Workers.
    pub worker: u32,
    /// PostgreSQL.
    pub postgres: u32,
}

/// Parts `kills` over the forms so that each victim gets about a third, PostgreSQL's over the ledgers that have it.
#[must_use]
pub fn shares(kills: u32, forms: &[Form]) -> Vec<Share> {
    let with: Vec<bool> = forms.iter().map(|form| *form != Form::Sqlite).collect();
    let clusters = u32::try_from(with.iter().filter(|with| **with).count()).unwrap_or(0);
    let all = u32::try_from(forms.len()).unwrap_or(1).max(1);
    let postgres = if clusters > 0 { kills / 3 } else { 0 };
    let server = (kills - postgres).div_ceil(2);
    let worker = kills - postgres - server;
    let part = |total: u32, among: u32, place: u32| total / among + u32::from(place < total % among);
    let (mut place, mut cluster) = (0, 0);
    let mut shares = Vec::new();
    for with in with {
        let mut share = Share { server: part(server, all, place), worker: part(worker, all, place), postgres: 0 };
        if with {
            share.postgres = part(postgres, clusters, cluster);
            cluster += 1;
        }
        place += 1;
        shares.push(share);
    }
    shares
}

/// What will be done, in a seeded order: all kills of the share, and each other fault once.
#[must_use]
pub fn plan(site: &Site, share: Share, chance: &mut Chance) -> Vec<Fault> {
    let mut plan = Vec::new();
    plan.extend((0..share.server).map(|_| Fault::KillServer));
    plan.extend((0..share.worker).map(|_| Fault::KillWorker));
    let deaths = [Fault::KillPostgres, Fault::StopPostgres];
    plan.extend((0..share.postgres).map(|number| deaths[number as usize % 2]));
    plan.extend([Fault::PauseServer, Fault::PauseWorker, Fault::WorkerAborts, Fault::WorkerBurns, Fault::WorkerLeaks]);
    if site.form() != Form::Sqlite {
        plan.extend([Fault::CutAfterCommit, Fault::CutAfterSend, Fault::CutAfterCommit]);
    }
    if site.disk().is_some() {
        plan.push(Fault::FullDisk);
    }
    if site.preloads().slow.is_some() {
        plan.push(Fault::SlowDisk);
    }
    if site.preloads().clock.is_some() {
        plan.push(Fault::ClockStep);
    }
    shuffle(&mut plan, chance);
    plan
}

fn shuffle(plan: &mut [Fault], chance: &mut Chance) {
    for index in (1..plan.len()).rev() {
        let other = chance.between(0, index as u64 + 1);
        plan.swap(index, usize::try_from(other).unwrap_or(index));
    }
}

/// What came of the faults.
#[derive(Debug, Default, Serialize)]
pub struct Fired {
    /// How often each struck.
    pub count: BTreeMap<Fault, u32>,
    /// What should not have happened.
    pub findings: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Strikes a site.
pub struct Striker<'a> {
    /// The site.
    pub site: &'a mut Site,
    /// Where faults are written down.
    pub recorder: &'a Recorder,
    /// For the jobs of bad workers.
    pub caller: Caller,
    /// Moments and lengths.
    pub chance: Chance,
    /// What came of it.
    pub fired: Fired,
    bad_jobs: u32,
}

impl<'a> Striker<'a> {
    /// Ready to strike.
    #[must_use]
    pub fn new(site: &'a mut Site, recorder: &'a Recorder, caller: Caller, chance: Chance) -> Self {
        Self { site, recorder, caller, chance, fired: Fired::default(), bad_jobs: 0 }
    }

    /// One fault after the other, with seeded pauses between.
    ///
    /// # Errors
    /// The site cannot be mended.
    pub fn all(&mut self, plan: &[Fault]) -> Result<()> {
        for fault in plan {
            pause(Duration::from_millis(self.chance.between(400, 1_600)));
            self.strike(*fault).with_context(|| fault.name())?;
            let dead = self.site.revive()?;
            let expected = *fault == Fault::FullDisk;
            let said = dead.into_iter().map(|said| format!("after {}: {said}", fault.name()));
            if expected { self.fired.notes.extend(said) } else { self.fired.findings.extend(said) }
        }
        // One more stretch with everything alive, so that the last fault is recovered from while work goes on.
        pause(Duration::from_secs(2));
        Ok(())
    }

    fn strike(&mut self, fault: Fault) -> Result<()> {
        if fault.victim().is_some() {
            return self.kill(fault);
        }
        let struck = match fault {
            Fault::PauseServer => self.pause_process(fault)?,
            Fault::PauseWorker => self.pause_process(fault)?,
            Fault::CutAfterCommit => self.cut(fault, Trick::CutAfterCommit)?,
            Fault::CutAfterSend => self.cut(fault, Trick::CutAfterSend)?,
            Fault::FullDisk => self.full_disk()?,
            Fault::SlowDisk => self.slow_disk()?,
            Fault::ClockStep => self.clock_step()?,
            Fault::WorkerAborts => self.bad_worker(fault, "abort")?,
            Fault::WorkerBurns => self.bad_worker(fault, "burn")?,
            Fault::WorkerLeaks => self.bad_worker(fault, "leak")?,
            _ => false,
        };
        *self.fired.count.entry(fault).or_default() += u32::from(struck);
        Ok(())
    }

    fn begin(&self, fault: Fault, append_in_flight: bool, detail: &str) -> Result<()> {
        self.recorder.fault(&fault.name(), "begin", append_in_flight, detail)
    }

    fn end(&self, fault: Fault) -> Result<()> {
        self.recorder.fault(&fault.name(), "end", false, "")
    }

    /// Two of three strike while an append is held, where there is a proxy to hold it.
    fn kill(&mut self, fault: Fault) -> Result<()> {
        let mut node = self.site.owner();
        if self.site.nodes() > 1 && self.chance.between(0, 4) == 0 {
            node = 1 - node;
        }
        let held = self.chance.between(0, 3) < 2 && self.site.hold_append(Duration::from_secs(3));
        self.begin(fault, held, &format!("server {node}"))?;
        let struck = match fault {
            Fault::KillServer => self.site.kill_node(node)?,
            Fault::KillWorker => self.site.kill_worker()?,
            _ => match self.site.cluster() {
                Some(cluster) if fault == Fault::KillPostgres => cluster.kill().map(|()| true)?,
                Some(cluster) => cluster.stop_immediately().map(|()| true)?,
                None => false,
            },
        };
        self.site.release_appends();
        *self.fired.count.entry(fault).or_default() += u32::from(struck);
        pause(Duration::from_millis(self.chance.between(0, 1_200)));
        match fault {
            Fault::KillServer => self.site.start_node(node)?,
            Fault::KillWorker => self.site.start_worker()?,
            _ => {
                if let Some(cluster) = self.site.cluster() {
                    cluster.start_again()?;
                }
            }
        }
        self.end(fault)
    }

    fn pause_process(&mut self, fault: Fault) -> Result<bool> {
        let owner = self.site.owner();
        let pid = if fault == Fault::PauseServer { self.site.node_pid(owner) } else { self.site.worker_pid() };
        let Some(pid) = pid else { return Ok(false) };
        self.begin(fault, false, "")?;
        signal(pid, "STOP")?;
        pause(Duration::from_millis(LEASE_MS + 1_500 + self.chance.between(0, 1_500)));
        signal(pid, "CONT")?;
        self.end(fault)?;
        Ok(true)
    }

    fn cut(&mut self, fault: Fault, trick: Trick) -> Result<bool> {
        self.begin(fault, true, "")?;
        let cut = self.site.cut_append(trick, Duration::from_secs(10));
        self.end(fault)?;
        if !cut {
            self.fired.notes.push(format!("{} met no append within 10 s", fault.name()));
        }
        Ok(cut)
    }

    fn full_disk(&mut self) -> Result<bool> {
        let Some(disk) = self.site.disk() else { return Ok(false) };
        self.begin(Fault::FullDisk, false, "")?;
        disk.fill()?;
        pause(Duration::from_millis(2_500));
        disk.free()?;
        pause(Duration::from_millis(500));
        self.end(Fault::FullDisk)?;
        Ok(true)
    }

    fn slow_disk(&mut self) -> Result<bool> {
        let ms = u32::try_from(self.chance.between(80, 300)).unwrap_or(100);
        self.begin(Fault::SlowDisk, false, &format!("{ms} ms a sync"))?;
        self.site.slow_sync(ms)?;
        pause(Duration::from_millis(3_500));
        self.site.slow_sync(0)?;
        self.end(Fault::SlowDisk)?;
        Ok(true)
    }

    fn clock_step(&mut self) -> Result<bool> {
        for seconds in [90, -90, 0] {
            self.begin(Fault::ClockStep, false, &format!("{seconds:+} s"))?;
            self.site.step_clock(seconds)?;
            pause(Duration::from_millis(2_200));
        }
        self.end(Fault::ClockStep)?;
        Ok(true)
    }

    /// A job for a worker that cannot bear it. Afterwards the job is a dead letter, or done by a worker that kept its
    /// lease although its handler never yielded.
    fn bad_worker(&mut self, fault: Fault, mode: &str) -> Result<bool> {
        self.begin(fault, false, "")?;
        self.bad_jobs += 1;
        let key = format!("bad-{}", self.bad_jobs);
        let body = json!({"job_type": format!("chaos.bad.{mode}"), "payload": {"marker": key}});
        let outcome = self.caller.insist("submit", "POST", "/jobs", Some(&key), &body, || false)?;
        let Outcome::Ok { answer, .. } = outcome else { return Ok(false) };
        let job = answer["id"].as_str().unwrap_or_default().to_owned();
        let mut worker = self.site.bad_worker(mode)?;
        let mut deaths = 0;
        let last = wait_for(Duration::from_secs(45), || {
            pause(Duration::from_millis(150));
            if worker.exited().is_some() {
                deaths += 1;
                // The dead one is taken off the guard's list; a failure to start again shows as a job that never ends.
                drop(worker.kill());
                if let Ok(next) = self.site.bad_worker(mode) {
                    worker = next;
                }
            }
            let shown = self.caller.call("get", "GET", &format!("/jobs/{job}"), None, &Value::Null).ok()?;
            let Outcome::Ok { answer, .. } = shown else { return None };
            matches!(answer["state"].as_str(), Some("succeeded" | "failed")).then_some(answer)
        });
        worker.kill()?;
        self.end(fault)?;
        let Some(last) = last else {
            let shown = self.caller.insist("get", "GET", &format!("/jobs/{job}"), None, &Value::Null, || false)?;
            // It must not hold up the drain: it is told here already.
            self.caller.insist("cancel", "POST", &format!("/jobs/{job}/cancel"), None, &json!({}), || false)?;
            let what = format!("{}: {deaths} deaths, and {job} is not final after 45 s: {shown:?}", fault.name());
            self.fired.findings.push(what);
            return Ok(true);
        };
        let (state, code) = (&last["state"], &last["error"]["code"]);
        let right = match fault {
            Fault::WorkerBurns => state == "succeeded" && last["attempt"] == 1 && deaths == 0,
            _ => state == "failed" && code == "worker_lost" && deaths >= 2,
        };
        if !right {
            // It must not hold up the drain: it is told here already.
            self.caller.insist("cancel", "POST", &format!("/jobs/{job}/cancel"), None, &json!({}), || false)?;
            self.fired.findings.push(format!("{}: {deaths} deaths, and the job is {last}", fault.name()));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_kills_give_each_victim_its_third() {
        let shares = shares(50, &Form::ALL);
        let sum = |of: fn(&Share) -> u32| shares.iter().map(of).sum::<u32>();
        assert_eq!((sum(|s| s.server), sum(|s| s.worker), sum(|s| s.postgres)), (17, 17, 16));
        assert_eq!(shares[0].postgres, 0);
    }

    #[test]
    fn a_ledger_without_a_cluster_shares_between_two() {
        let only = shares(9, &[Form::Sqlite])[0];
        assert_eq!((only.server, only.worker, only.postgres), (5, 4, 0));
    }
}
