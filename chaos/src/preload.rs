//! Libraries that are preloaded into servers: libfaketime for clock steps, and our own for slow syncs.
//!
//! Each may be missing on a machine; then the fault is left out, aloud.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::faketime;
use xtask::process::capture;

const SLOW_SYNC: &str = include_str!("../slow_sync.c");

/// What there is.
#[derive(Debug, Clone, Default)]
pub struct Preloads {
    /// libfaketime.
    pub clock: Option<PathBuf>,
    /// The library that slows syncs.
    pub slow: Option<PathBuf>,
}

impl Preloads {
    /// Finds, installs or builds them; what cannot be had is said.
    pub fn prepare(folder: &Path) -> Self {
        let clock = faketime::find_or_install();
        if clock.is_none() {
            println!("SKIPPED clock steps: no libfaketime");
        }
        let slow = match build_slow(folder) {
            Ok(slow) => Some(slow),
            Err(error) => {
                println!("SKIPPED slow disk: {error:#}");
                None
            }
        };
        Self { clock, slow }
    }
}

fn build_slow(folder: &Path) -> Result<PathBuf> {
    let (source, library) = (folder.join("slow_sync.c"), folder.join("slow_sync.so"));
    std::fs::write(&source, SLOW_SYNC)?;
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
    capture(&mut command).context("no C compiler for the library that slows syncs")?;
    Ok(library)
}
