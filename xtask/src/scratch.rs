//! Temporary folders that go away, and free ports.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::chance::Chance;
use crate::guard;

/// A folder of our own, removed on drop unless it is to be kept.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Makes a folder that only its owner may enter.
    pub fn new(prefix: &str, keep: bool) -> Result<Self> {
        let name = format!("{prefix}-{:012x}", Chance::fresh().draw() >> 16);
        Self::at(&std::env::temp_dir().join(name), keep)
    }

    /// Makes this folder.
    pub fn at(path: &Path, keep: bool) -> Result<Self> {
        let path = path.to_owned();
        fs::create_dir(&path).with_context(|| format!("could not make {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        if !keep {
            guard::folder(&path)?;
        }
        Ok(Self { path, keep })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("could not remove {}: {error}", self.path.display());
        }
    }
}

/// A port on loopback that nobody listens on, below the range from which the kernel takes outgoing ports:
/// a server that is killed must find its own port again.
pub fn free_port() -> Result<u16> {
    let mut chance = Chance::fresh();
    for _ in 0..200 {
        let port = u16::try_from(chance.between(20_000, 32_000)).context("the range is within u16")?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 20000 and 32000 on 127.0.0.1")
}
