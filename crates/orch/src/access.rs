//! The token of `orch dev`: kept beside the ledger, readable by its owner alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::private_file;

/// Where the token lies.
#[derive(Debug, Clone)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// In this folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.join("token"))
    }

    /// The token, if one is kept.
    pub fn read(&self) -> Option<String> {
        let text = fs::read_to_string(&self.0).ok()?;
        Some(text.trim().to_owned()).filter(|token| !token.is_empty())
    }

    /// Keeps a token, whole or not at all.
    pub fn write(&self, token: &str) -> Result<()> {
        let written = private_file::write(&self.0, &format!("{token}\n"));
        written.with_context(|| format!("could not keep the token in {}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::in_folder(folder.path());
        assert_eq!(file.read(), None);
        file.write("first").unwrap();
        file.write("second").unwrap();
        assert_eq!(file.read().as_deref(), Some("second"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
