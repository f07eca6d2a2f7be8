//! Debian's packages: installed only as root with apt-get, and said aloud.

use std::process::Command;

use anyhow::Result;

use crate::process::capture;

/// True where packages can be installed without asking anybody.
pub fn possible() -> Result<bool> {
    Ok(is_root()? && capture(Command::new("apt-get").arg("--version")).is_ok())
}

/// True when we may do anything on this machine.
pub fn is_root() -> Result<bool> {
    Ok(capture(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Installs packages.
pub fn install(packages: &[&str]) -> Result<()> {
    println!("installing: apt-get update, apt-get install {}", packages.join(" "));
    apt_get(&["update"])?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    capture(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}
