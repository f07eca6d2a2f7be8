//! Sets a peer up and runs it: reads its lines, and its counters at the beginning and end of each phase.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::peer::{Home, Peer};
use super::report::{Figures, Phase, Run};
use super::store::Store;
use super::{Services, Settings};
use crate::process;

/// How long a peer may be silent on top of the length of its work: it fills the backlog, and its workers end.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// Runs peers.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    /// What is measured.
    pub(super) settings: &'a Settings,
    /// What that needs.
    pub(super) services: &'a Services,
}

/// What a peer writes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    /// A phase begins or ends at this moment.
    Mark { mark: Edge, phase: Phase },
    /// What came out of a phase.
    Said(Said),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Edge {
    Begin,
    End,
}

#[derive(Debug, Deserialize)]
struct Said {
    version: String,
    settings: Value,
    phase: Phase,
    jobs: u64,
    seconds: f64,
    jobs_per_second: f64,
}

/// Counters at a mark.
#[derive(Clone, Copy, Debug)]
struct Counters {
    peer: f64,
    store: Option<f64>,
    log: f64,
}

/// One phase as far as it has been read.
#[derive(Debug, Default)]
struct Reading {
    begin: Option<Counters>,
    end: Option<Counters>,
    said: Option<Said>,
}

impl Reading {
    fn figures(&self) -> Result<Figures> {
        let begin = self.begin.context("the peer did not say when it began")?;
        let end = self.end.context("the peer did not say when it ended")?;
        let said = self.said.as_ref().context("the peer wrote no figures")?;
        Ok(Figures {
            jobs: said.jobs,
            seconds: said.seconds,
            jobs_per_second: said.jobs_per_second,
            peer_cpu_seconds: end.peer - begin.peer,
            store_cpu_seconds: begin.store.zip(end.store).map(|(from, to)| to - from),
            log_bytes: end.log - begin.log,
        })
    }
}

impl Runner<'_> {
    /// Installs or builds a peer, if that was not done before.
    pub(super) async fn install(&self, peer: Peer) -> Result<()> {
        if let Home::Redis(_) = peer.home() {
            let program = &self.services.redis_server;
            let answer = Command::new(program).arg("--version").stdout(Stdio::null()).status().await;
            answer.with_context(|| format!("no Redis: could not start {}", program.display()))?;
        }
        let status = Command::new(self.program(peer)?).arg("--install").stdin(Stdio::null()).status().await;
        let status = status.context("could not start its `run`")?;
        ensure!(status.success(), "its `run --install` ended with {status}");
        Ok(())
    }

    /// One run on a store of its own; `number` tells runs apart.
    pub(super) async fn run(&self, peer: Peer, number: usize) -> Result<Run> {
        let mut store = Store::open(peer, self.services, number).await?;
        let run = self.read(peer, &mut store).await.with_context(|| format!("run {number}: {}", peer.name()))?;
        store.remove().await?;
        Ok(run)
    }

    async fn read(&self, peer: Peer, store: &mut Store) -> Result<Run> {
        let (name, url) = store.variable();
        let mut child = Command::new(self.program(peer)?)
            .args(["--jobs", &self.settings.jobs.to_string(), "--seconds", &self.settings.seconds.to_string()])
            .env(name, url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("could not start its `run`")?;
        let pid = child.id().context("it runs because nobody has waited for its end")?;
        let output = child.stdout.take().context("its output is a pipe")?;
        let mut lines = BufReader::new(output).lines();
        let silence_max = SILENCE_MAX + Duration::from_secs(self.settings.seconds);
        let (mut enqueue, mut work) = (Reading::default(), Reading::default());
        while let Some(line) =
            timeout(silence_max, lines.next_line()).await.context("it has been silent too long")??
        {
            let Ok(line) = serde_json::from_str(&line) else {
                continue;
            };
            let phase = match &line {
                Line::Mark { phase, .. } | Line::Said(Said { phase, .. }) => *phase,
            };
            let reading = match phase {
                Phase::Enqueue => &mut enqueue,
                Phase::Work => &mut work,
            };
            match line {
                Line::Mark { mark: Edge::Begin, .. } => reading.begin = Some(count(pid, store).await?),
                Line::Mark { mark: Edge::End, .. } => reading.end = Some(count(pid, store).await?),
                Line::Said(said) => reading.said = Some(said),
            }
        }
        let status = timeout(silence_max, child.wait()).await.context("it does not end")??;
        succeeded(status)?;
        let (enqueue_figures, work_figures) = (enqueue.figures()?, work.figures()?);
        let said = work.said.context("the peer wrote no figures")?;
        Ok(Run {
            peer,
            version: said.version,
            settings: said.settings,
            enqueue: enqueue_figures,
            work: work_figures,
            dead_tuples: store.dead_tuples().await?,
        })
    }

    fn program(&self, peer: Peer) -> Result<PathBuf> {
        let program = self.services.folder.join(peer.folder()).join("run");
        program.canonicalize().with_context(|| format!("no {}", program.display()))
    }
}

fn succeeded(status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("it ended with {status}");
    }
    Ok(())
}

async fn count(peer: u32, store: &mut Store) -> Result<Counters> {
    Ok(Counters { peer: process::family_cpu(peer)?, store: store.cpu()?, log: store.log_bytes().await? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_figures_are_told_apart() {
        let mark = serde_json::from_str(r#"{"mark":"begin","phase":"work"}"#).unwrap();
        assert!(matches!(mark, Line::Mark { mark: Edge::Begin, phase: Phase::Work }));
        let said = r#"{"peer":"x","version":"1","settings":{"a":1},"phase":"enqueue","jobs":2,"seconds":1,"jobs_per_second":2}"#;
        let Line::Said(said) = serde_json::from_str(said).unwrap() else {
            panic!("figures were read as a mark");
        };
        assert_eq!((said.phase, said.jobs, said.jobs_per_second), (Phase::Enqueue, 2, 2.0));
        assert!(serde_json::from_str::<Line>("{\"level\":30}").is_err());
    }

    #[test]
    fn figures_are_differences_between_marks() {
        let at = |peer, store, log| Some(Counters { peer, store: Some(store), log });
        let said = Said {
            version: "1".to_owned(),
            settings: Value::Null,
            phase: Phase::Work,
            jobs: 10,
            seconds: 2.0,
            jobs_per_second: 5.0,
        };
        let reading = Reading { begin: at(1.0, 2.0, 100.0), end: at(2.5, 4.0, 300.0), said: Some(said) };
        let figures = reading.figures().unwrap();
        assert_eq!((figures.peer_cpu_seconds, figures.store_cpu_seconds, figures.log_bytes), (1.5, Some(2.0), 200.0));
        assert!(Reading::default().figures().is_err());
    }
}
