//! Contexts: servers by name, in one file of the user's, `orch/contexts.toml` under `XDG_CONFIG_HOME`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::private_file;
use crate::secret::Secret;
use crate::toml_error;

/// Where a server is and who we are to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// Where the server listens; several are replicas of one.
    pub addresses: Vec<String>,
    /// Which tenant is meant, of those that the token allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Where the token is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

/// All of them, and which one is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contexts {
    /// The one that is used when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// By name.
    pub contexts: BTreeMap<String, Context>,
}

impl Contexts {
    /// What the file says; nothing where there is none.
    pub fn read() -> Result<Self, Failure> {
        match path() {
            Some(path) => Self::read_from(&path),
            None => Ok(Self::default()),
        }
    }

    fn read_from(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            read => read.with_context(|| format!("could not read the contexts from {}", path.display()))?,
        };
        let read: Self = toml::from_str(&text).map_err(|error| anyhow!(toml_error::tell(path, &text, &error)))?;
        if read.has_inline_tokens() && private_file::is_open_to_others(path) {
            let what = format!("{} holds a token, and others may read it", path.display());
            return Err(Failure::refused(what, "chmod 600 it, and think of another token"));
        }
        Ok(read)
    }

    /// Keeps them.
    pub fn write(&self) -> Result<(), Failure> {
        let path = path().context("there is no folder for contexts: neither XDG_CONFIG_HOME nor HOME is set")?;
        self.write_to(&path)
    }

    fn write_to(&self, path: &Path) -> Result<(), Failure> {
        let text = toml::to_string(self).context("could not write the contexts as TOML")?;
        let folder = path.parent().context("the file of contexts lies in a folder")?;
        let written = fs::create_dir_all(folder).and_then(|()| private_file::write(path, &text));
        Ok(written.with_context(|| format!("could not keep the contexts in {}", path.display()))?)
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let what = format!("there is no context `{name}`");
            Failure::missing(what, "`orch config get-contexts` lists them, `orch config set-context` makes one")
        })
    }

    fn has_inline_tokens(&self) -> bool {
        self.contexts.values().any(|context| matches!(context.token, Some(Secret::Inline(_))))
    }
}

/// Where the file lies. As the XDG base directory specification says, a relative folder does not count.
fn path() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("orch").join("contexts.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_kept_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orch").join("contexts.toml");
        assert_eq!(Contexts::read_from(&path).unwrap(), Contexts::default());
        let token = Some(Secret::Inline("s3cret".to_owned()));
        let one = Context { addresses: vec!["http://a".to_owned()], token, tenant: None };
        let kept = Contexts { current: Some("one".to_owned()), contexts: [("one".to_owned(), one)].into() };
        kept.write_to(&path).unwrap();
        assert_eq!(Contexts::read_from(&path).unwrap(), kept);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(Contexts::read_from(&path).is_err(), "a token that others may read is no secret");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contexts.toml");
        fs::write(&path, "[contexts.a]\naddress = \"http://a\"\n").unwrap();
        let Err(Failure::Other(error)) = Contexts::read_from(&path) else { panic!("it was read") };
        assert!(error.to_string().contains("unknown field `address`"), "{error}");
        fs::write(&path, "[contexts.a]\ntoken = \"s3cret\"\n").unwrap();
        let Err(Failure::Other(error)) = Contexts::read_from(&path) else { panic!("it was read") };
        assert!(error.to_string().contains("line 2") && !error.to_string().contains("s3cret"), "{error}");
    }
}
