//! A small disk of our own (tmpfs) for a ledger's data, which can be filled and freed. Needs root.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::process::capture;

/// A mounted tmpfs. Dropping it unmounts it.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one at `path`, which is made.
    ///
    /// # Errors
    /// The mount is refused.
    pub fn mount(path: &Path, megabytes: u32) -> Result<Self> {
        fs::create_dir(path)?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0755"), "tmpfs"]).arg(path);
        capture(&mut command).context("a small disk could not be mounted")?;
        Ok(Self { path: path.to_owned() })
    }

    /// Writes until nothing goes in any more.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.path.join("filler"))?;
        let mut length = 1 << 20;
        while length >= 512 {
            // The failure is what we are after; then smaller pieces, to the last page.
            if file.write_all(&vec![1; length]).is_err() {
                length /= 2;
            }
        }
        Ok(())
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.path.join("filler")).context("could not free the disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is just ending must not keep it.
        if let Err(error) = capture(Command::new("umount").arg("-l").arg(&self.path)) {
            eprintln!("{error:#}");
        }
    }
}
