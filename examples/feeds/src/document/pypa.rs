//! PyPA's advisories: OSV already, written as YAML. Scalars are taken as they are written, so `0.10` stays `0.10`.
//! A text without a line break at its end was cut off: YAML alone would take the beginning for the whole.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DocumentCode, Fault, non_empty};
use crate::{
    feed::Feed,
    record::{Affected, Entry, Package, Range, Record, Reference, Severity},
    timestamp,
};

#[derive(Deserialize)]
struct Advisory {
    id: Option<String>,
    modified: Option<String>,
    published: Option<String>,
    withdrawn: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    related: Vec<String>,
    summary: Option<String>,
    details: Option<String>,
    #[serde(default)]
    severity: Vec<Severity>,
    affected: Option<Vec<AffectedIn>>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct AffectedIn {
    package: Package,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
}

pub(super) fn read(path: &str, text: &str) -> Result<Vec<Entry>, Fault> {
    if !text.ends_with('\n') {
        return Err(Fault::whole(DocumentCode::Truncated, "its last line has no line break"));
    }
    let _: serde_norway::Value = serde_norway::from_str(text)
        .map_err(|error| Fault::whole(DocumentCode::BadSyntax, format!("not YAML: {error}")))?;
    let advisory: Advisory =
        serde_norway::from_str(text).map_err(|error| Fault::whole(DocumentCode::BadSchema, error.to_string()))?;
    let record = record(advisory)?;
    Ok(vec![Entry { feed: Feed::Pypa, path: path.to_owned(), id: record.id.clone(), records: vec![record] }])
}

fn record(advisory: Advisory) -> Result<Record, Fault> {
    let missing = |field| Fault::field(DocumentCode::BadSchema, field, "missing");
    let id = advisory.id.as_deref().and_then(non_empty);
    let modified = time("modified", advisory.modified)?;
    let record = Record {
        id: id.ok_or_else(|| Fault::field(DocumentCode::MissingId, "id", "no id"))?,
        modified: Some(modified.ok_or_else(|| missing("modified"))?),
        published: time("published", advisory.published)?,
        withdrawn: time("withdrawn", advisory.withdrawn)?,
        aliases: advisory.aliases,
        related: advisory.related,
        summary: advisory.summary.as_deref().and_then(non_empty),
        details: advisory.details.as_deref().and_then(non_empty),
        severity: advisory.severity,
        affected: advisory.affected.ok_or_else(|| missing("affected"))?.into_iter().map(affected).collect(),
        references: advisory.references,
        database_specific: BTreeMap::new(),
    };
    Ok(record.normalised())
}

fn time(field: &str, text: Option<String>) -> Result<Option<String>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let normal = timestamp::normalise(&text);
    let fault = || Fault::field(DocumentCode::BadSchema, field, format!("`{text}` is neither a date nor a time"));
    normal.map(Some).ok_or_else(fault)
}

fn affected(affected: AffectedIn) -> Affected {
    Affected { ranges: affected.ranges, versions: affected.versions, ..Affected::of(affected.package) }
}
