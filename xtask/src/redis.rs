//! Where Redis' server program is, and how to get it: some peers of the measurements keep jobs in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::apt;
use crate::process::capture;

/// As it is called on the path.
const PROGRAM: &str = "redis-server";

/// Debian asks this file whether a package may start what it installs.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs Redis where it is missing and that is possible without asking; elsewhere the measurement says so.
pub fn install_if_missing() -> Result<()> {
    if capture(Command::new(PROGRAM).arg("--version")).is_ok() || !apt::possible()? {
        return Ok(());
    }
    if Path::new(POLICY).exists() {
        return apt::install(&[PROGRAM]);
    }
    fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
    let installed = make_executable().and_then(|()| apt::install(&[PROGRAM]));
    fs::remove_file(POLICY)?;
    installed
}

fn make_executable() -> Result<()> {
    capture(Command::new("chmod").args(["755", POLICY])).map(drop)
}
