//! Holds the orchestrator to what it is used for: a changed advisory runs exactly the SBOMs again that it touches.
//!
//! Which those are is computed here a second time, from the raw texts, and shares no code with `submit`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use orch_client::{Client, RunState};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    advisory::Feed,
    analysis::analyse,
    canonical,
    policy::Rule,
    sbom::SbomFile,
    submit::{ended, submit_all},
};

/// What was seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checked {
    /// SBOMs with bytes of their own.
    pub sboms: usize,
    /// Components that were compared.
    pub components: u64,
    /// Advisories of the feed.
    pub advisories: usize,
    /// Findings.
    pub findings: usize,
    /// SBOMs that ran at first.
    pub ran: usize,
    /// SBOMs by what they came to.
    pub verdicts: BTreeMap<String, usize>,
    /// What followed from each changed advisory.
    pub changes: Vec<Changed>,
}

/// What followed from a changed advisory.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The advisory.
    pub advisory: String,
    /// The SBOMs that ran again: those that it touches, and no other.
    pub ran: Vec<String>,
    /// SBOMs whose reports stayed as they were, byte for byte.
    pub stayed: usize,
}

/// How to check.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How many advisories that touch something are changed, one after another.
    pub changes: usize,
    /// How long each run may take.
    pub patience: Duration,
}

/// What one submission came to.
struct Pass {
    ran: BTreeSet<String>,
    reports: BTreeMap<String, Vec<u8>>,
}

struct Site<'a> {
    client: &'a Client,
    files: &'a [SbomFile],
    rules: &'a [Rule],
    patience: Duration,
}

/// Submits all, changes some advisories one after another, and submits all again each time. A worker must be there.
/// What happens is told as it happens.
///
/// # Errors
/// What did not hold, or kept it from being seen.
pub async fn check(
    client: &Client,
    files: &[SbomFile],
    export: &[u8],
    rules: &[Rule],
    terms: Terms,
    mut tell: impl FnMut(String),
) -> anyhow::Result<Checked> {
    let mut seen = BTreeSet::new();
    let files: Vec<SbomFile> = files.iter().filter(|file| seen.insert(file.digest.clone())).cloned().collect();
    let touched = touched(&files, export)?;
    let site = Site { client, files: &files, rules, patience: terms.patience };
    let mut export = export.to_vec();
    let mut before = site.pass(&export).await?;
    let mut checked = site.counted(&export, &before)?;
    tell(format!(
        "{} SBOMs, {} components, {} advisories: {} ran, {} findings",
        checked.sboms, checked.components, checked.advisories, checked.ran, checked.findings
    ));
    let again = site.pass(&export).await?;
    ensure!(again.ran.is_empty(), "the same again ran: {:?}", again.ran);
    tell("the same again: nothing ran".to_owned());
    for advisory in chosen(&touched, terms.changes) {
        export = changed(&export, &advisory)?;
        let after = site.pass(&export).await?;
        let expected = &touched[&advisory];
        ensure!(after.ran == *expected, "{advisory} touches {expected:?}, and what ran is {:?}", after.ran);
        for (name, report) in &before.reports {
            let same = after.reports.get(name) == Some(report);
            ensure!(same != expected.contains(name), "{advisory}: the report on {name} is not as it must be");
        }
        let ran: Vec<String> = after.ran.iter().cloned().collect();
        let stayed = files.len() - ran.len();
        tell(format!("{advisory} changed: {} ran again ({}), {stayed} stayed", ran.len(), ran.join(", ")));
        checked.changes.push(Changed { advisory, ran, stayed });
        before = after;
    }
    Ok(checked)
}

impl Site<'_> {
    /// Submits all, waits, and compares each report with what one process comes to.
    async fn pass(&self, export: &[u8]) -> anyhow::Result<Pass> {
        let feed = Feed::read(export)?;
        let mut pass = Pass { ran: BTreeSet::new(), reports: BTreeMap::new() };
        let submitted = submit_all(self.client, self.files, &feed, self.rules).await?;
        for (file, submitted) in self.files.iter().zip(submitted) {
            let end = ended(self.client, &submitted.run, self.patience).await?;
            let (_, report) = end.report.with_context(|| format!("the run of {} ended {}", file.name, end.state))?;
            ensure!(end.state == RunState::Succeeded, "the run of {} ended {}", file.name, end.state);
            let expected = analyse(file, &feed, self.rules)?.bytes();
            ensure!(report == expected, "the report on {} is not what one process comes to", file.name);
            if submitted.began {
                pass.ran.insert(file.name.clone());
            }
            pass.reports.insert(file.name.clone(), report);
        }
        Ok(pass)
    }

    fn counted(&self, export: &[u8], pass: &Pass) -> anyhow::Result<Checked> {
        let feed = Feed::read(export)?;
        let mut checked = Checked {
            sboms: self.files.len(),
            advisories: feed.lines().len(),
            ran: pass.ran.len(),
            ..Checked::default()
        };
        for file in self.files {
            let report = analyse(file, &feed, self.rules)?;
            checked.components += report.components;
            checked.findings += report.findings.len();
            *checked.verdicts.entry(report.verdict.name().to_owned()).or_default() += 1;
        }
        Ok(checked)
    }
}

/// The names of the SBOMs that each advisory touches, from the raw texts.
fn touched(files: &[SbomFile], export: &[u8]) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let mut purls = Vec::new();
        let root: Value = serde_json::from_slice(&file.bytes)?;
        find_purls(&root, false, &mut purls);
        for purl in purls {
            users.entry(plain(purl)).or_default().insert(file.name.clone());
        }
    }
    let mut touched = BTreeMap::new();
    for line in export.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let advisory: Value = serde_json::from_slice(line)?;
        let mut names = BTreeSet::new();
        for affected in advisory["affected"].as_array().into_iter().flatten() {
            let kind = match affected["package"]["ecosystem"].as_str() {
                Some("crates.io") => "cargo",
                Some("PyPI") => "pypi",
                _ => continue,
            };
            let name = affected["package"]["name"].as_str().unwrap_or_default();
            names.extend(users.get(&plain(&format!("pkg:{kind}/{name}@"))).into_iter().flatten().cloned());
        }
        touched.insert(advisory["id"].as_str().unwrap_or_default().to_owned(), names);
    }
    Ok(touched)
}

/// The package URLs below `components`, wherever they stand.
fn find_purls<'a>(value: &'a Value, inside: bool, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(purl) if inside && name == "purl" => found.push(purl),
                    _ if inside || name == "components" => find_purls(value, true, found),
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find_purls(item, inside, found)),
        _ => {}
    }
}

/// A package URL without its version, so that two names of one package are one text.
fn plain(purl: &str) -> String {
    let elsewhere = purl.contains("_url=");
    let name = purl.split(['?', '#']).next().unwrap_or_default();
    let name = name.rfind('@').map_or("", |end| &name[..end]);
    if elsewhere || !name.starts_with("pkg:pypi/") {
        return if elsewhere { String::new() } else { name.to_owned() };
    }
    let mut plain = name.to_lowercase().replace(['_', '.'], "-");
    while plain.contains("--") {
        plain = plain.replace("--", "-");
    }
    plain
}

/// One that touches nothing, and some that touch sets of SBOMs of their own: the smallest, the largest, and between.
fn chosen(touched: &BTreeMap<String, BTreeSet<String>>, count: usize) -> Vec<String> {
    let mut sets: BTreeMap<(usize, &BTreeSet<String>), &String> = BTreeMap::new();
    for (advisory, names) in touched {
        sets.entry((names.len(), names)).or_insert(advisory);
    }
    let mut chosen: Vec<String> = Vec::new();
    if let Some(first) = sets.first_entry().filter(|entry| entry.key().0 == 0) {
        chosen.push((*first.get()).clone());
        first.remove();
    }
    let rest: Vec<&String> = sets.into_values().collect();
    let last = rest.len().saturating_sub(1);
    let places: BTreeSet<usize> = (0..count).map(|place| place * last / count.saturating_sub(1).max(1)).collect();
    chosen.extend(places.into_iter().filter_map(|place| rest.get(place)).map(|advisory| (*advisory).clone()));
    chosen
}

/// The export with a few words more in one advisory, which no advisory has had before.
fn changed(export: &[u8], id: &str) -> anyhow::Result<Vec<u8>> {
    let mut found = false;
    let mut all = Vec::with_capacity(export.len());
    for line in export.split_inclusive(|&byte| byte == b'\n') {
        let mut advisory: Value = serde_json::from_slice(line)?;
        if advisory["id"] != id {
            all.extend_from_slice(line);
            continue;
        }
        let details = advisory["details"].as_str().unwrap_or_default();
        advisory["details"] = format!("{details} (changed: {})", Uuid::now_v7()).into();
        all.extend(canonical::bytes(&advisory));
        all.push(b'\n');
        found = true;
    }
    if !found {
        bail!("there is no advisory {id}");
    }
    Ok(all)
}
