//! Programs that we start: their log, the JSON line that says that they are ready, and their end.
//!
//! Signals go through the shell's `kill`, since the standard library only knows SIGKILL.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::clock::wait_for;
use crate::guard;

/// How long a program may take to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// A program in the background. Dropping it ends it.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
    lines: Receiver<String>,
}

impl Daemon {
    /// Starts `command`; what it writes is appended to `log`.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let mut file = File::options().create(true).append(true).open(log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?)
            .spawn()
            .with_context(|| format!("could not start {name}: {command:?}"))?;
        guard::watch(child.id())?;
        let out = child.stdout.take().context("its standard output is a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The log is for people: a full disk must not stop the program that writes it.
                let _ = writeln!(file, "{line}");
                let _ = sender.send(line);
            }
        });
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), lines })
    }

    /// The first JSON object that it prints, which says that it is ready.
    pub fn ready(&self, limit: Duration) -> Result<Value> {
        loop {
            match self.lines.recv_timeout(limit) {
                Ok(line) => {
                    if let Ok(value @ Value::Object(_)) = serde_json::from_str(&line) {
                        return Ok(value);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} was not ready within {} s\n{}", self.name, limit.as_secs(), tail(&self.log, 30))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended before it was ready\n{}", self.name, tail(&self.log, 30))
                }
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Where its output is.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// SIGKILL, and the wait for its end.
    pub fn kill(&mut self) -> Result<()> {
        if self.exited().is_none() {
            self.child.kill().with_context(|| format!("could not kill {}", self.name))?;
            self.child.wait()?;
        }
        guard::forget(self.child.id())
    }

    /// SIGTERM; SIGKILL when it has not ended after the grace. True when it ended by itself.
    pub fn terminate(&mut self) -> Result<bool> {
        if self.exited().is_none() {
            signal(self.child.id(), "TERM")?;
        }
        let by_itself = wait_for(GRACE, || self.exited()).is_some();
        self.kill()?;
        Ok(by_itself)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.terminate() {
            eprintln!("{}: {error:#}", self.name);
        }
    }
}

/// Sends a signal by its name without `SIG`.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {pid}")]).stderr(Stdio::null()).status()?;
    if !status.success() {
        bail!("could not send SIG{name} to process {pid}");
    }
    Ok(())
}

/// Runs to the end; what it printed, or an error with what it complained of.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("could not run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The last lines of a log.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests;
