//! Terms of well-known feeds, as data: what their hosts allow, where that was published, ready to be declared as a bucket.
//!
//! Where nothing published was found, the terms are a caution of our own, and say so. Nothing here is declared by
//! itself; an operator who knows better declares other terms.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::term::Term;

const FILE: &str = include_str!("../terms/known.json");

/// Terms of a feed's host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownTerms {
    /// What it is called.
    pub id: String,
    /// The host; `None`: each provider has its own.
    pub host: Option<String>,
    /// Text for people.
    pub title: String,
    /// They hold for requests with a key or a token.
    pub key: bool,
    /// The host published them; otherwise they are a caution of our own.
    pub published: bool,
    /// Where they were published.
    pub source: Option<String>,
    /// All of them hold.
    pub terms: Vec<Term>,
}

static ALL: LazyLock<Vec<KnownTerms>> = LazyLock::new(|| {
    let mut all: Vec<KnownTerms> =
        serde_json::from_str(FILE).expect("the file is part of the build and a test reads it");
    all.sort_by_key(|entry| (entry.host.is_none(), entry.host.clone(), entry.id.clone()));
    all
});

/// All of them, by host; those without one come last.
#[must_use]
pub fn all() -> &'static [KnownTerms] {
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bucket, check_name};

    #[test]
    fn every_entry_makes_a_bucket_and_says_where_its_terms_are_from() {
        let mut ids: Vec<_> = all().iter().map(|entry| entry.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all().len());
        for entry in all() {
            assert!(check_name("id", &entry.id).is_ok() && !entry.title.is_empty(), "{}", entry.id);
            assert_eq!(entry.published, entry.source.is_some(), "{}", entry.id);
            assert!(entry.source.iter().all(|source| source.starts_with("https://")), "{}", entry.id);
            let host = entry.host.clone().unwrap_or_else(|| "provider.example".to_owned());
            let bucket = Bucket { name: entry.id.clone(), host, terms: entry.terms.clone(), ..Bucket::default() };
            assert!(bucket.check().is_ok(), "{}", entry.id);
        }
    }

    #[test]
    fn what_is_published_is_what_was_read() {
        let terms = |id: &str| all().iter().find(|entry| entry.id == id).map(|entry| entry.terms.as_slice());
        assert_eq!(terms("nvd-anonymous"), Some(&[Term::window(5, 30_000)][..]));
        assert_eq!(terms("nvd-key"), Some(&[Term::window(50, 30_000)][..]));
        assert_eq!(terms("github-anonymous"), Some(&[Term::window(60, 3_600_000)][..]));
        assert_eq!(terms("github-token"), Some(&[Term::window(5_000, 3_600_000)][..]));
    }
}
