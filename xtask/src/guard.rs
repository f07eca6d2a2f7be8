//! A small shell process that cleans up when this one dies without doing so (Ctrl-C, kill -9).
//!
//! It reads pids and folders from a pipe; when the pipe closes it ends what is still listed. An orderly end
//! takes everything off the list first, so that the guard finds nothing to do.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result};

const SCRIPT: &str = r#"
pids=" "
while IFS=' ' read -r verb value; do
  case $verb in
    watch) pids="$pids$value " ;;
    forget)
      kept=" "
      for pid in $pids; do [ "$pid" = "$value" ] || kept="$kept$pid "; done
      pids=$kept ;;
    folder) set -- "$@" "$value" ;;
  esac
done
if [ "$pids" != " " ]; then
  for pid in $pids; do kill -INT "$pid" 2>/dev/null; done
  sleep 3
  for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
fi
[ $# -eq 0 ] || rm -rf -- "$@"
"#;

static GUARD: OnceLock<Mutex<Option<Child>>> = OnceLock::new();

/// Ends this process when ours dies.
pub fn watch(pid: u32) -> Result<()> {
    tell(&format!("watch {pid}"))
}

/// The process is gone, or its end is no longer our affair.
pub fn forget(pid: u32) -> Result<()> {
    tell(&format!("forget {pid}"))
}

/// Removes this folder when our process ends.
pub fn folder(path: &Path) -> Result<()> {
    tell(&format!("folder {}", path.display()))
}

fn tell(line: &str) -> Result<()> {
    let mut guard = GUARD.get_or_init(|| Mutex::new(None)).lock().unwrap_or_else(PoisonError::into_inner);
    if guard.is_none() {
        *guard = Some(start()?);
    }
    let pipe = guard.as_mut().and_then(|child| child.stdin.as_mut()).context("the guard has no pipe")?;
    writeln!(pipe, "{line}").context("could not write to the guard")
}

fn start() -> Result<Child> {
    // Its own process group: Ctrl-C in the terminal must not reach it.
    Command::new("/bin/sh")
        .args(["-c", SCRIPT, "orch-guard"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("could not start the guard (/bin/sh)")
}
