//! Secrets by reference: where one is kept, and how it is fetched. What is written down is the reference.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// Where a secret is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Secret {
    /// In a variable of the environment: `env:NAME`.
    Env(String),
    /// In a file, whose surrounding blanks do not count: `file:PATH`.
    File(PathBuf),
    /// Here: `inline:SECRET`.
    Inline(String),
}

impl Secret {
    /// Fetches it.
    pub fn read(&self) -> Result<String> {
        let text = match self {
            Self::Env(name) => std::env::var(name).with_context(|| format!("could not read {self}"))?,
            Self::File(path) => std::fs::read_to_string(path).with_context(|| format!("could not read {self}"))?,
            Self::Inline(secret) => secret.clone(),
        };
        let text = text.trim();
        if text.is_empty() {
            bail!("there is nothing in {self}");
        }
        Ok(text.to_owned())
    }
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("inline", secret)) if !secret.is_empty() => Ok(Self::Inline(secret.to_owned())),
            _ => Err("a secret is named by reference: env:NAME or file:PATH".to_owned()),
        }
    }
}

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        match secret {
            Secret::Inline(secret) => format!("inline:{secret}"),
            reference => reference.to_string(),
        }
    }
}

// What is shown is never the secret.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Inline(_) => f.write_str("inline:…"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_secrets_are_not_shown() {
        for text in ["env:X", "file:a/b"] {
            assert_eq!(text.parse::<Secret>().unwrap().to_string(), text);
        }
        let inline: Secret = "inline:s3cret".parse().unwrap();
        assert!(!format!("{inline} {inline:?}").contains("s3cret"));
        assert_eq!((inline.read().unwrap(), String::from(inline)), ("s3cret".to_owned(), "inline:s3cret".to_owned()));
        for text in ["s3cret", "env:", "vault:x", ""] {
            assert!(text.parse::<Secret>().is_err(), "{text}");
        }
        assert!(Secret::Env("ORCH_NOBODY_SETS_THIS".to_owned()).read().is_err());
    }
}
