//! The server's process: started on a free port, told to end with SIGTERM.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orch_bench::clock;
use serde_json::Value;

use crate::place::Place;

/// How long a drain may take.
const END_MAX: Duration = Duration::from_secs(20);
/// How often it is looked for its end.
const LOOK: Duration = Duration::from_millis(20);

/// Where and how a server is to listen.
#[derive(Debug, Clone, Copy)]
pub struct Listening<'a> {
    /// An address with a port; port 0 takes a free one.
    pub address: &'a str,
    /// The name of its log in the place's folder; what an earlier one wrote there stays.
    pub log: &'a str,
    /// Further arguments.
    pub arguments: &'a [&'a str],
    /// Its wall clock is off: the library that does it, and by how much.
    pub clock: Option<(&'a str, &'a str)>,
}

/// A running server. Dropping it kills it.
pub struct Server {
    pid: u32,
    child: Mutex<Child>,
    address: String,
    token: String,
}

impl Server {
    /// Starts the program on an empty place and waits until it says that it is ready.
    pub fn start(place: &Place, program: &Path, arguments: &[&str]) -> Result<Self> {
        let token = match place {
            Place::Sqlite(_) => None,
            Place::Postgres(database) => Some(bootstrap(program, database.url())?),
        };
        Self::start_with(place, program, token, arguments)
    }

    /// The same on a place whose first tenant is there, with further arguments. `token` is that tenant's; without it,
    /// the program must say one.
    pub fn start_with(place: &Place, program: &Path, token: Option<String>, arguments: &[&str]) -> Result<Self> {
        Self::start_at(
            place,
            program,
            token,
            Listening { address: "127.0.0.1:0", log: "server.log", arguments, clock: None },
        )
    }

    /// The same at an address of the caller's choice.
    pub fn start_at(place: &Place, program: &Path, token: Option<String>, how: Listening<'_>) -> Result<Self> {
        let mut command = Command::new(program);
        match place {
            Place::Sqlite(_) => command.arg("dev").arg("--data").arg(place.data()),
            Place::Postgres(database) => command.args(["serve", "--database", database.url()]),
        };
        command.args(["--listen", how.address, "--json"]).args(how.arguments);
        if let Some((library, by)) = how.clock {
            command.env("LD_PRELOAD", library).env("FAKETIME", by).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let log_path = place.folder().join(how.log);
        let log = OpenOptions::new().create(true).append(true).open(&log_path)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let output = child.stdout.take().context("the server's output is a pipe")?;
        let mut server =
            Self { pid: child.id(), child: Mutex::new(child), address: String::new(), token: String::new() };
        let (ready, rest) = first_document(output).with_context(|| last_words(&log_path))?;
        server.address = member(&ready, "address")?;
        server.token = match token {
            Some(token) => token,
            None => member(&ready, "token")?,
        };
        // What it prints later must not fill the pipe.
        std::thread::spawn(move || rest.lines().for_each(drop));
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A token of its first tenant.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Ends it in order.
    pub async fn stop(&self) -> Result<()> {
        let told = Command::new("kill").arg(self.pid.to_string()).status()?;
        ensure!(told.success(), "could not tell the server to end");
        let began = clock::now();
        while began.elapsed() < END_MAX {
            if self.ended()? {
                return Ok(());
            }
            clock::pause(LOOK).await;
        }
        bail!("the server did not end within {} s", END_MAX.as_secs());
    }

    fn ended(&self) -> Result<bool> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(child.try_wait()?.is_some())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It is gone already after an orderly stop; then both say so, and nothing is left to do.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The last line of a log.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("its log is empty").to_owned()
}

/// Makes the schema and the first tenant; returns its token.
pub fn bootstrap(program: &Path, url: &str) -> Result<String> {
    let output = Command::new(program)
        .args(["migrate", "--database", url, "--bootstrap", "--json"])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start {}", program.display()))?;
    ensure!(output.status.success(), "the database could not be migrated");
    let (made, _) = first_document(&output.stdout[..])?;
    member(&made, "token")
}

/// The first line that is a JSON document, and what follows.
fn first_document<R: std::io::Read>(output: R) -> Result<(Value, BufReader<R>)> {
    let mut reader = BufReader::new(output);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        if let Ok(value) = serde_json::from_str(&line) {
            return Ok((value, reader));
        }
        line.clear();
    }
    bail!("the program ended without saying that it is ready")
}

fn member(value: &Value, name: &str) -> Result<String> {
    let text = value[name].as_str();
    Ok(text.with_context(|| format!("no `{name}` in what the program printed"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_document_is_found_behind_other_lines() {
        let (value, _) = first_document(&b"starting\n{\"address\":\"http://a\"}\nmore\n"[..]).unwrap();
        assert_eq!(member(&value, "address").unwrap(), "http://a");
        assert!(member(&value, "token").is_err());
        assert!(first_document(&b"no\n"[..]).is_err());
    }
}
