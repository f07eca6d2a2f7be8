//! One bash for one page: snippets share folder, variables and background jobs, as in a reader's terminal.
//!
//! The shell is the leader of a process group and ends the group when it ends itself, and it ends when our pipe to it
//! closes: so nothing that a page started outlives us, however we end.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::clean;
use super::expect::fits;
use super::page::{Block, Kind};
use crate::clock::wait_for;

/// No snippet takes as long.
const STEP_LIMIT: Duration = Duration::from_secs(180);
/// How long what was started may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to end.
const END_LIMIT: Duration = Duration::from_secs(20);

/// First thing in every session: whatever ends the shell ends its group.
const PROLOGUE: &str = "trap 'trap \"\" TERM; kill -TERM 0' EXIT";

/// A shell that waits for snippets.
#[derive(Debug)]
pub struct Session {
    shell: Child,
    input: Option<ChildStdin>,
    snippets: PathBuf,
    log: PathBuf,
}

impl Session {
    /// Starts a shell in a new folder under `scratch`.
    pub fn open(scratch: &Path, programs: &[PathBuf], more: &[(String, String)], log: &Path) -> Result<Self> {
        let (here, snippets) = (scratch.join("here"), scratch.join("snippets"));
        fs::create_dir(&here)?;
        fs::create_dir(&snippets)?;
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(programs.iter().cloned().chain(std::env::split_paths(&usual)))?;
        let errors = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        let mut shell = clean(Path::new("bash"))
            .args(["--noprofile", "--norc"])
            .current_dir(&here)
            .env("PATH", path)
            .env("HOME", &here)
            .envs(more.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(errors.try_clone()?)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .context("could not start bash")?;
        let input = shell.stdin.take();
        let mut session = Self { shell, input, snippets, log: log.to_owned() };
        session.tell(PROLOGUE)?;
        Ok(session)
    }

    /// Does with a snippet what it is for.
    pub fn step(&mut self, block: &Block) -> Result<()> {
        let done = match block.kind {
            Kind::Run { exit } => self.run(block, exit),
            Kind::Background => self.start(block),
            Kind::Given | Kind::Elsewhere => Ok(()),
        };
        done.with_context(|| format!("line {}: {}", block.line, block.text.trim_end()))
    }

    fn run(&mut self, block: &Block, exit: u8) -> Result<()> {
        let (script, out) = self.write(block)?;
        let done = script.with_extension("done");
        // With `set -e` each command must succeed; a snippet that is to fail ends with the one that does.
        let mode = if exit == 0 { "set -e" } else { "set +e" };
        let (script, out_name, done_name) = (quoted(&script)?, quoted(&out)?, quoted(&done)?);
        self.tell(&format!("{mode}; source {script} >{out_name} 2>&1 </dev/null; echo $? >{done_name}; set +e"))?;
        let shell = &mut self.shell;
        let ended = wait_for(STEP_LIMIT, || {
            let status = fs::read_to_string(&done).ok().and_then(|text| text.trim().parse::<u8>().ok());
            match status {
                Some(status) => Some(Ok(status)),
                None => shell.try_wait().ok().flatten().map(Err),
            }
        });
        let printed = text_of(&out);
        self.keep(block, &printed);
        judge(ended, exit, &printed)?;
        expected(block, &printed)
    }

    fn start(&mut self, block: &Block) -> Result<()> {
        let (script, out) = self.write(block)?;
        let errors = script.with_extension("err");
        let (script, out_name, errors_name) = (quoted(&script)?, quoted(&out)?, quoted(&errors)?);
        self.tell(&format!("source {script} >{out_name} 2>{errors_name} </dev/null &"))?;
        let Some(expect) = &block.expect else { return Ok(()) };
        let ready = wait_for(READY_LIMIT, || fits(expect, &text_of(&out)).then_some(()));
        self.keep(block, &text_of(&out));
        match ready {
            Some(()) => Ok(()),
            None => bail!("printed\n{}\n{}", text_of(&out), text_of(&errors)),
        }
    }

    /// Ends the shell and everything that the page started.
    pub fn close(&mut self) -> Result<()> {
        drop(self.input.take());
        let ended = wait_for(END_LIMIT, || self.shell.try_wait().ok().flatten());
        if ended.is_some() && wait_for(END_LIMIT, || (!self.signal("0")).then_some(())).is_some() {
            return Ok(());
        }
        self.signal("KILL");
        self.shell.wait()?;
        bail!("what the page started did not end within {} s of SIGTERM", END_LIMIT.as_secs())
    }

    /// True when the group was there to get it.
    fn signal(&self, name: &str) -> bool {
        let line = format!("kill -{name} -{}", self.shell.id());
        let status = Command::new("/bin/sh").args(["-c", &line]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    fn write(&self, block: &Block) -> Result<(PathBuf, PathBuf)> {
        let script = self.snippets.join(format!("line-{}.sh", block.line));
        fs::write(&script, &block.text)?;
        let out = script.with_extension("out");
        File::create(&out)?;
        Ok((script, out))
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("the session is closed")?;
        writeln!(input, "{line}").context("the shell has ended")
    }

    fn keep(&self, block: &Block, printed: &str) {
        if let Ok(mut log) = File::options().append(true).open(&self.log) {
            // The log is for people: it must not fail the page.
            let _ = writeln!(log, "--- line {}\n{}---\n{printed}", block.line, block.text);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.input.is_some()
            && let Err(error) = self.close()
        {
            eprintln!("guides: {error:#}");
        }
    }
}

fn judge(ended: Option<Result<u8, ExitStatus>>, exit: u8, printed: &str) -> Result<()> {
    match ended {
        Some(Ok(status)) if status == exit => Ok(()),
        Some(Ok(status)) => bail!("ended {status} instead of {exit}\n{printed}"),
        Some(Err(status)) => bail!("a command failed ({status})\n{printed}"),
        None => bail!("did not end within {} s\n{printed}", STEP_LIMIT.as_secs()),
    }
}

fn expected(block: &Block, printed: &str) -> Result<()> {
    match &block.expect {
        Some(expect) if !fits(expect, printed) => bail!("printed\n{printed}\ninstead of\n{expect}"),
        _ => Ok(()),
    }
}

fn text_of(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().context("the temporary folder's name is text")?;
    Ok(format!("'{}'", text.replace('\'', "'\\''")))
}
