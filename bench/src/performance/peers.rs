//! What `peers --json` wrote, as far as a report shows it.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::finding::{Bar, Finding, Subject};
use crate::performance::Performance;

/// The peers of one run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Peers {
    /// What was measured, a peer each.
    pub peers: Vec<Peer>,
}

/// One peer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Peer {
    /// Its name.
    pub peer: String,
    /// Its version.
    pub version: String,
    /// What it does without.
    #[serde(default)]
    pub gives_up: String,
    /// Jobs in.
    pub enqueue: Phase,
    /// Jobs done.
    pub work: Phase,
    /// Dead rows after a run.
    #[serde(default)]
    pub dead_tuples: Option<Spread>,
}

/// What a peer does at a time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Phase {
    /// Jobs a second.
    pub jobs_per_second: Spread,
    /// CPU seconds of its processes for 1,000 jobs.
    pub peer_cpu_seconds_per_1000_jobs: Spread,
    /// CPU seconds of its database for 1,000 jobs.
    pub store_cpu_seconds_per_1000_jobs: Option<Spread>,
    /// Bytes of log for a job.
    pub log_bytes_per_job: Spread,
}

/// The middle of several runs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
}

impl Peers {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there or not what `peers` writes.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not what `peers --json` writes", path.display()))
    }

    /// The fastest at work.
    fn fastest(&self) -> Option<&Peer> {
        let rate = |peer: &Peer| peer.work.jobs_per_second.median;
        self.peers.iter().max_by(|one, other| rate(one).total_cmp(&rate(other)))
    }
}

impl Performance {
    /// Whether work over HTTP is ahead of every peer.
    pub fn ahead_of_peers(&self) -> Option<Finding> {
        let fastest = self.peers.as_ref()?.fastest()?;
        let findings = self.parts.iter().flat_map(|part| &part.summary.findings);
        let work = findings.filter(|finding| finding.subject == Subject::Work).map(|finding| finding.figure);
        let slowest = work.min_by(f64::total_cmp)?;
        let what = format!("slowest work over HTTP, against {} {}", fastest.peer, fastest.version);
        let bar = Bar::AtLeast(fastest.work.jobs_per_second.median);
        Some(Finding::new(Subject::Work, what, (slowest, "jobs/s"), bar))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fastest_peer_is_the_bar() {
        let phase = |rate: f64| {
            json!({
                "jobs_per_second": { "median": rate, "min": rate, "max": rate },
                "peer_cpu_seconds_per_1000_jobs": { "median": 0.01, "min": 0.0, "max": 1.0 },
                "store_cpu_seconds_per_1000_jobs": null,
                "log_bytes_per_job": { "median": 900.0, "min": 1.0, "max": 1.0 },
            })
        };
        let peer = |name: &str, rate: f64| json!({ "peer": name, "version": "1", "enqueue": phase(1.0), "work": phase(rate), "runs": [] });
        let peers: Peers =
            serde_json::from_value(json!({ "version": "0", "peers": [peer("a", 10.0), peer("b", 20.0)] })).unwrap();
        assert_eq!(peers.fastest().unwrap().peer, "b");
    }
}
