//! RustSec: a TOML front block in a Markdown fence, then a title and the text.
//! Version requirements become ranges of what is affected, and are kept as they are written under `ecosystem_specific`.

use std::collections::BTreeMap;

use super::{DocumentCode, Fault, node::Node, non_empty, trimmed};
use crate::{
    feed::Feed,
    record::{Affected, Entry, Package, Range, Record, Reference, Severity},
};

mod ranges;

const OPENING: &str = "```toml\n";
const CLOSING: &str = "\n```\n";

pub(super) fn read(path: &str, text: &str) -> Result<Vec<Entry>, Fault> {
    let text = text.replace("\r\n", "\n");
    let (front, body) = split(&text)?;
    let table: toml::Table = toml::from_str(front)
        .map_err(|error| Fault::whole(DocumentCode::BadSyntax, format!("front block: {}", error.message())))?;
    let value = serde_json::to_value(table)
        .map_err(|error| Fault::whole(DocumentCode::BadSchema, format!("front block: {error}")))?;
    let root = Node::root(&value)?;
    let advisory = root.child("advisory")?;
    let id = advisory.id("id")?;
    let (summary, details) = title(body)?;
    let record = Record {
        published: Some(advisory.time("date")?),
        modified: None,
        withdrawn: advisory.opt_time("withdrawn")?,
        aliases: advisory.texts("aliases")?,
        related: advisory.texts("related")?,
        summary: non_empty(summary),
        details: non_empty(details),
        severity: advisory.opt_text("cvss")?.map(severity).into_iter().collect(),
        affected: vec![affected(&root, &advisory)?],
        references: references(&id, &advisory)?,
        database_specific: specific(&advisory)?,
        id: id.clone(),
    };
    Ok(vec![Entry { feed: Feed::Rustsec, path: path.to_owned(), id, records: vec![record.normalised()] }])
}

/// The front block and what follows it.
fn split(text: &str) -> Result<(&str, &str), Fault> {
    let inner = text.strip_prefix(OPENING).ok_or_else(|| match OPENING.starts_with(text) {
        true => Fault::whole(DocumentCode::Truncated, "it ends in front of its front block"),
        false => Fault::whole(DocumentCode::BadSchema, "it does not begin with a TOML front block"),
    })?;
    inner.split_once(CLOSING).ok_or_else(|| Fault::whole(DocumentCode::Truncated, "the front block is not closed"))
}

/// The title, which must be the first line of the body, and the rest.
fn title(body: &str) -> Result<(&str, &str), Fault> {
    let body = trimmed(body);
    if body.is_empty() {
        return Err(Fault::whole(DocumentCode::Truncated, "nothing follows the front block"));
    }
    let titled = body.strip_prefix("# ");
    let titled = titled.ok_or_else(|| Fault::field(DocumentCode::BadSchema, "title", "the text has no title"))?;
    Ok(titled.split_once('\n').unwrap_or((titled, "")))
}

fn affected(root: &Node<'_>, advisory: &Node<'_>) -> Result<Affected, Fault> {
    let name = advisory.text("package")?;
    let versions = root.child("versions")?;
    let (patched, unaffected) = (versions.needed_texts("patched")?, versions.texts("unaffected")?);
    let events = ranges::events(&[patched.as_slice(), unaffected.as_slice()].concat())
        .map_err(|text| versions.fault("patched", format!("`{text}` is no version requirement")))?;
    let mut specific = BTreeMap::from([("patched".to_owned(), patched), ("unaffected".to_owned(), unaffected)]);
    if let Some(affected) = root.opt_child("affected")? {
        specific.insert("affected_arch".to_owned(), affected.texts("arch")?);
        specific.insert("affected_os".to_owned(), affected.texts("os")?);
        specific.insert("affected_functions".to_owned(), affected.names("functions")?);
    }
    let package = Package { ecosystem: "crates.io".to_owned(), purl: Some(format!("pkg:cargo/{name}")), name };
    let range = Range { kind: "SEMVER".to_owned(), repo: None, events };
    let ranges = if range.events.is_empty() { Vec::new() } else { vec![range] };
    Ok(Affected { ranges, ecosystem_specific: specific, ..Affected::of(package) })
}

fn severity(score: String) -> Severity {
    let kind = match &score {
        score if score.starts_with("CVSS:3") => "CVSS_V3",
        score if score.starts_with("CVSS:4") => "CVSS_V4",
        _ => "CVSS_V2",
    };
    Severity { kind: kind.to_owned(), score }
}

fn references(id: &str, advisory: &Node<'_>) -> Result<Vec<Reference>, Fault> {
    let link = |kind: &str, url: String| Reference { kind: kind.to_owned(), url };
    let mut references = vec![link("ADVISORY", format!("https://rustsec.org/advisories/{id}.html"))];
    references.extend(advisory.opt_text("url")?.map(|url| link("REPORT", url)));
    references.extend(advisory.texts("references")?.into_iter().map(|url| link("WEB", url)));
    Ok(references)
}

fn specific(advisory: &Node<'_>) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let one = |name: &str| Ok::<_, Fault>(advisory.opt_text(name)?.into_iter().collect());
    Ok(BTreeMap::from([
        ("categories".to_owned(), advisory.texts("categories")?),
        ("keywords".to_owned(), advisory.texts("keywords")?),
        ("informational".to_owned(), one("informational")?),
        ("license".to_owned(), one("license")?),
    ]))
}
