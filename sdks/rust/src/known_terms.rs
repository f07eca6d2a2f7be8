//! Terms of well-known feeds.

use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, Term};

/// Terms of a well-known feed's host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTerms {
    /// What they are called.
    pub id: String,
    /// The host; `None`: each provider has its own.
    #[serde(default)]
    pub host: Option<String>,
    /// Text for people.
    #[serde(default)]
    pub title: String,
    /// They hold for requests with a key or a token.
    #[serde(default)]
    pub key: bool,
    /// The host published them; otherwise they are a caution of our own.
    #[serde(default)]
    pub published: bool,
    /// Where they were published.
    #[serde(default)]
    pub source: Option<String>,
    /// All of them hold.
    pub terms: Vec<Term>,
}

impl KnownTerms {
    /// A bucket of this name with these terms.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Bucket {
        let from = match &self.source {
            Some(source) => format!("terms published at {source}"),
            None => "no published terms are known; a caution of our own".to_owned(),
        };
        let description = Some(format!("{}: {from}", self.title));
        let (host, terms) = (self.host.clone(), self.terms.clone());
        Bucket { name: name.to_owned(), description, host, terms, ..Bucket::default() }
    }
}
