//! CSAF 2.0: one document about several vulnerabilities, so one record for each.
//! The document's id is `related` to them, not an alias: as an alias it would make one vulnerability of all that it names.

use std::collections::BTreeMap;

use super::{Fault, json, node::Node, non_empty};
use crate::{
    feed::Feed,
    record::{Affected, Entry, Package, Record, Reference, Severity},
};

pub(super) fn read(path: &str, text: &str) -> Result<Vec<Entry>, Fault> {
    let value = json(text)?;
    let root = Node::root(&value)?;
    let document = root.child("document")?;
    let version = document.text("csaf_version")?;
    if version != "2.0" {
        return Err(document.fault("csaf_version", format!("`{version}` is not `2.0`")));
    }
    let tracking = document.child("tracking")?;
    let id = tracking.id("id")?;
    let common = Record {
        id: id.clone(),
        published: Some(tracking.time("initial_release_date")?),
        modified: Some(tracking.time("current_release_date")?),
        summary: non_empty(&document.text("title")?),
        references: references(&document)?,
        ..Record::default()
    };
    let products = products(&root)?;
    let mut records = Vec::new();
    for vulnerability in root.children("vulnerabilities")? {
        records.push(record(&common, &products, &vulnerability)?);
    }
    if records.is_empty() {
        records.push(common.normalised());
    }
    Ok(vec![Entry { feed: Feed::Csaf, path: path.to_owned(), id, records }])
}

/// The record of one vulnerability; one without a CVE keeps the document's own id.
fn record(common: &Record, products: &BTreeMap<String, String>, vulnerability: &Node<'_>) -> Result<Record, Fault> {
    let mut record = common.clone();
    if let Some(cve) = vulnerability.opt_text("cve")?.and_then(|cve| non_empty(&cve)) {
        record.related.push(std::mem::replace(&mut record.id, cve));
    }
    record.references.extend(references(vulnerability)?);
    record.details = details(vulnerability)?;
    record.affected = affected(products, vulnerability)?;
    for score in vulnerability.children("scores")? {
        for (name, kind) in [("cvss_v2", "CVSS_V2"), ("cvss_v3", "CVSS_V3")] {
            let Some(cvss) = score.opt_child(name)? else { continue };
            record.severity.push(Severity { kind: kind.to_owned(), score: cvss.text("vectorString")? });
        }
    }
    if let Some(cwe) = vulnerability.opt_child("cwe")? {
        record.database_specific.insert("cwes".to_owned(), vec![cwe.text("id")?]);
    }
    Ok(record.normalised())
}

/// The vulnerability's notes, one paragraph each.
fn details(vulnerability: &Node<'_>) -> Result<Option<String>, Fault> {
    let mut paragraphs = Vec::new();
    for note in vulnerability.children("notes")? {
        paragraphs.extend(non_empty(&note.text("text")?));
    }
    Ok(non_empty(&paragraphs.join("\n\n")))
}

fn affected(products: &BTreeMap<String, String>, vulnerability: &Node<'_>) -> Result<Vec<Affected>, Fault> {
    let Some(status) = vulnerability.opt_child("product_status")? else { return Ok(Vec::new()) };
    let mut affected = Vec::new();
    for product in status.texts("known_affected")? {
        let name = products.get(&product);
        let name =
            name.ok_or_else(|| status.fault("known_affected", format!("`{product}` is not in the product tree")))?;
        affected.push(Affected::of(Package { ecosystem: "CSAF".to_owned(), name: name.clone(), purl: None }));
    }
    Ok(affected)
}

/// Every product that the product tree names, by its id.
fn products(root: &Node<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let mut products = BTreeMap::new();
    let Some(tree) = root.opt_child("product_tree")? else { return Ok(products) };
    let mut branches = tree.children("branches")?;
    while let Some(branch) = branches.pop() {
        if let Some(product) = branch.opt_child("product")? {
            name_product(&mut products, &product)?;
        }
        branches.extend(branch.children("branches")?);
    }
    for product in tree.children("full_product_names")? {
        name_product(&mut products, &product)?;
    }
    for relationship in tree.children("relationships")? {
        name_product(&mut products, &relationship.child("full_product_name")?)?;
    }
    Ok(products)
}

/// An id that is named twice, which CSAF forbids, keeps the lesser name in any order of reading.
fn name_product(products: &mut BTreeMap<String, String>, product: &Node<'_>) -> Result<(), Fault> {
    let (id, name) = (product.text("product_id")?, product.text("name")?);
    let known = products.entry(id).or_insert_with(|| name.clone());
    if name < *known {
        *known = name;
    }
    Ok(())
}

fn references(node: &Node<'_>) -> Result<Vec<Reference>, Fault> {
    let mut references = Vec::new();
    for reference in node.children("references")? {
        let own = reference.opt_text("category")?.as_deref() == Some("self");
        let kind = if own { "ADVISORY" } else { "WEB" }.to_owned();
        references.push(Reference { kind, url: reference.text("url")? });
    }
    Ok(references)
}
