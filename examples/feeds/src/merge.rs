//! Merges the entries of all feeds into advisories: ids that are aliases of each other are one vulnerability.
//! The result depends on the set of entries alone, never on the order in which they were read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    canonical,
    feed::Feed,
    record::{Affected, Entry, Record, Reference, Severity},
};

#[cfg(test)]
mod tests;
mod union;

use union::Union;

/// What merging a set of entries gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The advisories, by id.
    pub advisories: Vec<Advisory>,
    /// The entries that were left out because their feed has their id under a lesser path.
    pub duplicates: Vec<Duplicate>,
}

/// One vulnerability as all feeds tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// Its id: a CVE if it has one, else GHSA, RUSTSEC, PYSEC, else the least of its ids.
    pub id: String,
    /// Its other ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Ids of things that have to do with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// The earliest publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// The latest change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// The latest withdrawal, if every record was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// The first summary in the feeds' order of precedence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The first long text in the feeds' order of precedence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// All scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Severity>,
    /// All that is affected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<Affected>,
    /// All links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// What single feeds say, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub database_specific: BTreeMap<String, Vec<String>>,
    /// The entries that it was made of.
    pub sources: Vec<Origin>,
}

/// An entry that an advisory was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its feed.
    pub feed: Feed,
    /// Its id in the feed.
    pub id: String,
    /// Its path.
    pub path: String,
}

/// An entry whose id its feed holds under a lesser path too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Duplicate {
    /// The feed.
    pub feed: Feed,
    /// The id that is there twice.
    pub id: String,
    /// The path that stays: the first in byte order.
    pub kept: String,
    /// The path that is left out.
    pub rejected: String,
}

/// Merges entries of any feeds, in any order.
#[must_use]
pub fn merge(entries: Vec<Entry>) -> Merged {
    let (entries, duplicates) = single(entries);
    let tellings: Vec<Telling<'_>> =
        entries.iter().flat_map(|entry| entry.records.iter().map(move |record| Telling { entry, record })).collect();
    let mut advisories: Vec<Advisory> = clusters(&tellings).into_iter().map(advisory).collect();
    advisories.sort_by(|a, b| a.id.cmp(&b.id));
    Merged { advisories, duplicates }
}

/// A record and the entry that it stands in.
#[derive(Clone, Copy)]
struct Telling<'a> {
    entry: &'a Entry,
    record: &'a Record,
}

/// One entry for each id of a feed, in order of feed and path, and the rest as duplicates.
fn single(mut entries: Vec<Entry>) -> (Vec<Entry>, Vec<Duplicate>) {
    entries.sort_by(|a, b| (a.feed, &a.path).cmp(&(b.feed, &b.path)));
    let mut kept: HashMap<(Feed, String), String> = HashMap::new();
    let mut duplicates = Vec::new();
    entries.retain(|entry| {
        let first = kept.entry((entry.feed, entry.id.clone())).or_insert_with(|| entry.path.clone());
        if *first == entry.path {
            return true;
        }
        let (kept, rejected) = (first.clone(), entry.path.clone());
        duplicates.push(Duplicate { feed: entry.feed, id: entry.id.clone(), kept, rejected });
        false
    });
    duplicates.sort();
    (entries, duplicates)
}

/// Groups the tellings whose ids are connected; inside a group they keep their order.
fn clusters<'a>(tellings: &[Telling<'a>]) -> Vec<Vec<Telling<'a>>> {
    let mut numbers: HashMap<&'a str, usize> = HashMap::new();
    let mut union = Union::default();
    for telling in tellings {
        let own = *numbers.entry(telling.record.id.as_str()).or_insert_with(|| union.add());
        for id in telling.record.ids() {
            let other = *numbers.entry(id).or_insert_with(|| union.add());
            union.join(own, other);
        }
    }
    let mut groups: BTreeMap<usize, Vec<Telling<'a>>> = BTreeMap::new();
    for telling in tellings {
        let root = union.root(numbers[telling.record.id.as_str()]);
        groups.entry(root).or_default().push(*telling);
    }
    groups.into_values().collect()
}

fn advisory(tellings: Vec<Telling<'_>>) -> Advisory {
    let records = || tellings.iter().map(|telling| telling.record);
    let mut ids: BTreeSet<&str> = records().flat_map(Record::ids).collect();
    let related: BTreeSet<&str> = records().flat_map(|record| &record.related).map(String::as_str).collect();
    let related = related.difference(&ids).map(|&id| id.to_owned()).collect();
    let id = preferred(&ids).to_owned();
    ids.remove(id.as_str());
    let withdrawn: Option<Vec<&String>> = records().map(|record| record.withdrawn.as_ref()).collect();
    Advisory {
        aliases: ids.into_iter().map(str::to_owned).collect(),
        related,
        published: records().filter_map(|record| record.published.clone()).min(),
        modified: records().filter_map(|record| record.modified.clone().or_else(|| record.published.clone())).max(),
        withdrawn: withdrawn.and_then(|times| times.into_iter().max().cloned()),
        summary: records().find_map(|record| record.summary.clone()),
        details: records().find_map(|record| record.details.clone()),
        severity: gathered(records().flat_map(|record| &record.severity)),
        affected: gathered(records().flat_map(|record| &record.affected)),
        references: gathered(records().flat_map(|record| &record.references)),
        database_specific: specific(records()),
        sources: origins(&tellings),
        id,
    }
}

/// The least id of the best kind.
fn preferred<'a>(ids: &BTreeSet<&'a str>) -> &'a str {
    let rank =
        |id: &str| ["CVE-", "GHSA-", "RUSTSEC-", "PYSEC-"].iter().position(|kind| id.starts_with(kind)).unwrap_or(4);
    ids.iter()
        .copied()
        .min_by_key(|id| (rank(id), *id))
        .expect("a record has an id, because `read` refuses one without")
}

fn gathered<'a, T: Clone + Serialize + 'a>(items: impl Iterator<Item = &'a T>) -> Vec<T> {
    let mut items: Vec<T> = items.cloned().collect();
    canonical::sort(&mut items);
    items
}

fn specific<'a>(records: impl Iterator<Item = &'a Record>) -> BTreeMap<String, Vec<String>> {
    let mut specific: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, values) in records.flat_map(|record| &record.database_specific) {
        specific.entry(name.clone()).or_default().extend(values.iter().cloned());
    }
    canonical::sort_map(&mut specific);
    specific
}

fn origins(tellings: &[Telling<'_>]) -> Vec<Origin> {
    let origin = |entry: &Entry| Origin { feed: entry.feed, id: entry.id.clone(), path: entry.path.clone() };
    let mut origins = tellings.iter().map(|telling| origin(telling.entry)).collect();
    canonical::sort(&mut origins);
    origins
}
