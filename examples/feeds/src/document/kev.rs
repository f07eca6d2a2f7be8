//! CISA's Known Exploited Vulnerabilities: one document, one entry for each CVE in it.
//! A catalogue whose `count` is not the number of its entries is refused whole.

use std::collections::BTreeMap;

use super::{Fault, json, node::Node, non_empty, trimmed};
use crate::{
    feed::Feed,
    record::{Affected, Entry, Package, Record, Reference},
};

pub(super) fn read(path: &str, text: &str) -> Result<Vec<Entry>, Fault> {
    let value = json(text)?;
    let root = Node::root(&value)?;
    let vulnerabilities = root.needed_children("vulnerabilities")?;
    if let Some(count) = root.opt_count("count")?
        && count != vulnerabilities.len() as u64
    {
        return Err(root.fault("count", format!("says {count}, there are {}", vulnerabilities.len())));
    }
    let mut entries = Vec::with_capacity(vulnerabilities.len());
    for (index, vulnerability) in vulnerabilities.iter().enumerate() {
        let record = record(vulnerability)?;
        let path = format!("{path}#/vulnerabilities/{index}");
        entries.push(Entry { feed: Feed::Kev, path, id: record.id.clone(), records: vec![record] });
    }
    Ok(entries)
}

fn record(vulnerability: &Node<'_>) -> Result<Record, Fault> {
    let id = vulnerability.id("cveID")?;
    let vendor = vulnerability.text("vendorProject")?;
    let package = Package {
        ecosystem: "CPE".to_owned(),
        name: format!("{}:{}", trimmed(&vendor), trimmed(&vulnerability.text("product")?)),
        purl: None,
    };
    let record = Record {
        id,
        published: Some(vulnerability.time("dateAdded")?),
        summary: non_empty(&vulnerability.text("vulnerabilityName")?),
        details: non_empty(&vulnerability.text("shortDescription")?),
        affected: vec![Affected::of(package)],
        references: references(&vulnerability.opt_text("notes")?.unwrap_or_default()),
        database_specific: specific(vulnerability)?,
        ..Record::default()
    };
    Ok(record.normalised())
}

/// The links among the notes, which are separated by semicolons.
fn references(notes: &str) -> Vec<Reference> {
    let links =
        notes.split(';').map(trimmed).filter(|part| part.starts_with("https://") || part.starts_with("http://"));
    links.map(|url| Reference { kind: "WEB".to_owned(), url: url.to_owned() }).collect()
}

fn specific(vulnerability: &Node<'_>) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let ransomware = vulnerability.opt_text("knownRansomwareCampaignUse")?;
    Ok(BTreeMap::from([
        ("cwes".to_owned(), vulnerability.texts("cwes")?),
        ("exploited_added_at".to_owned(), vec![vulnerability.time("dateAdded")?]),
        ("exploited_due_at".to_owned(), vec![vulnerability.time("dueDate")?]),
        ("exploited_ransomware".to_owned(), ransomware.into_iter().collect()),
        ("exploited_required_action".to_owned(), vec![vulnerability.text("requiredAction")?]),
    ]))
}
