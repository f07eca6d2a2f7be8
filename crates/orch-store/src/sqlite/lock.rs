//! The OS lock that lets one process at a time use a SQLite ledger.
//!
//! It is on a file of its own beside the ledger: opening and closing the ledger's file a second time would drop the
//! locks that SQLite itself holds on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use orch_core::port::StoreError;

/// Held as long as it lives, and by the process at most.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the ledger at `path`.
    ///
    /// # Errors
    /// `Refused`, naming the process that has it.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        let mut name = path.as_os_str().to_owned();
        name.push("-lock");
        let name = PathBuf::from(name);
        let refused = |source: std::io::Error| StoreError::Refused(format!("{}: {source}", name.display()));
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who it is only makes the message better.
                let known = file.read_to_string(&mut owner).is_ok() && !owner.trim().is_empty();
                let owner = if known { owner.trim() } else { "another process" };
                return Err(StoreError::Refused(format!("{} is in use by {owner}", path.display())));
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        let named = format!("process {}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(named.as_bytes()))
            .map_err(refused)?;
        Ok(Self { _file: file })
    }
}
