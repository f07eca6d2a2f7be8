//! A real `orch dev` on a folder of its own, which can be killed and started again, and the command line beside it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use orch_client::Client;
use serde_json::Value;
use tempfile::TempDir;

/// The executable.
pub const ORCH: &str = env!("CARGO_BIN_EXE_orch");

/// A server. Dropping it kills it and removes its folder.
pub struct Server {
    folder: TempDir,
    child: Child,
    // Held open: a server whose output is closed is not what users run.
    _out: BufReader<ChildStdout>,
    pub address: String,
    pub token: String,
}

impl Server {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, out, ready) = spawn(folder.path(), "127.0.0.1:0");
        let text = |member: &str| ready[member].as_str().unwrap().to_owned();
        Self { child, _out: out, address: text("address"), token: text("token"), folder }
    }

    /// Kills it with SIGKILL and starts it again on the same folder and port.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let listen = self.address.strip_prefix("http://").unwrap().to_owned();
        let (child, out, ready) = spawn(self.folder.path(), &listen);
        assert_eq!(ready["token"], self.token, "the token is kept");
        (self.child, self._out) = (child, out);
    }

    /// Sends SIGTERM and waits; true when it ended well.
    pub fn terminate(&mut self) -> bool {
        let id = self.child.id().to_string();
        assert!(Command::new("/bin/kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::builder().address(&self.address).token(&self.token).build().unwrap()
    }

    /// What commands need to reach it.
    pub fn environment(&self) -> [(&str, &str); 2] {
        [("ORCH_ADDRESS", &self.address), ("ORCH_TOKEN", &self.token)]
    }

    /// Runs a command against it.
    pub fn orch(&self, arguments: &[&str]) -> Outcome {
        orch(arguments, &self.environment())
    }

    /// Starts a command against it; its standard output can be read while it runs.
    pub fn orch_start(&self, arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
        let mut child = command(arguments, &self.environment()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (child, out)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, listen: &str) -> (Child, BufReader<ChildStdout>, Value) {
    let mut command = Command::new(ORCH);
    command.args(["dev", "--json", "--listen", listen, "--data"]).arg(folder);
    spawn_ready(command)
}

/// Starts a server and waits for the line that says that it serves.
pub fn spawn_ready(mut command: Command) -> (Child, BufReader<ChildStdout>, Value) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("no line of JSON ({error}): {line:?}"));
    (child, out, ready)
}

/// What a command came to.
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A command with this environment and nothing else of ours.
pub fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(ORCH);
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", "/nonexistent").envs(environment.iter().copied());
    command
}

fn is_ours(name: &str) -> bool {
    name.starts_with("ORCH_") || matches!(name, "NO_COLOR" | "CLICOLOR" | "CLICOLOR_FORCE")
}

/// Runs a command with this environment and nothing else of ours.
pub fn orch(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let output = command(arguments, environment).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
