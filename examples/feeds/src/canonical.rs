//! Canonical JSON (RFC 8785) and the one order in which lists are written: byte order of the canonical text.
//! Nothing here knows what is written.

use std::collections::BTreeMap;

use serde::Serialize;

/// The canonical text of a value of this crate.
#[must_use]
pub fn text<T: Serialize>(value: &T) -> String {
    serde_json_canonicalizer::to_string(value)
        .expect("texts, lists and maps with text keys encode, because no float and no odd key is among them")
}

/// Sorts by canonical text and drops repeats.
pub fn sort<T: Serialize>(items: &mut Vec<T>) {
    let mut keyed: Vec<(String, T)> = items.drain(..).map(|item| (text(&item), item)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.dedup_by(|a, b| a.0 == b.0);
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

/// Sorts texts by bytes and drops repeats.
pub fn sort_texts(items: &mut Vec<String>) {
    items.sort();
    items.dedup();
}

/// Sorts every list of a map and drops names whose list is empty.
pub fn sort_map(map: &mut BTreeMap<String, Vec<String>>) {
    map.values_mut().for_each(sort_texts);
    map.retain(|_, values| !values.is_empty());
}
