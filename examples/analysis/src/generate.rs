//! Makes small SBOMs and a small feed, so that everything runs without any data. The same plan gives the same bytes.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde_json::{Value, json};

use crate::{canonical, sbom::SbomFile};

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed of everything that is left to chance.
    pub seed: u64,
    /// SBOMs.
    pub sboms: usize,
    /// Packages that they choose from, half of each registry.
    pub packages: usize,
    /// Advisories.
    pub advisories: usize,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The SBOMs.
    pub sboms: Vec<SbomFile>,
    /// The feed, in the form of an export.
    pub export: Vec<u8>,
}

/// A small random sequence (SplitMix64) that stays the same over versions and machines. Not for secrets.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound.max(1) as u64).expect("below a usize, because the bound is one")
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn version(&mut self) -> String {
        format!("{}.{}.{}", self.below(3), self.below(6), self.below(10))
    }
}

/// What a plan comes to.
#[must_use]
pub fn generate(plan: &Plan) -> Generated {
    let mut random = Random(plan.seed);
    let sboms = (0..plan.sboms).map(|number| sbom(&mut random, plan, number)).collect();
    let mut lines = BTreeMap::new();
    for number in 0..plan.advisories {
        let advisory = advisory(&mut random, plan, number);
        lines.insert(advisory["id"].as_str().unwrap_or_default().to_owned(), canonical::bytes(&advisory));
    }
    let export = lines.into_values().flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
    Generated { sboms, export }
}

/// Writes what a plan comes to: `sboms/` and `feed.jsonl` below `dir`.
///
/// # Errors
/// A file or folder that cannot be written.
pub fn write(dir: &Path, plan: &Plan) -> io::Result<Generated> {
    let generated = generate(plan);
    fs::create_dir_all(dir.join("sboms"))?;
    for sbom in &generated.sboms {
        fs::write(dir.join("sboms").join(&sbom.name), &sbom.bytes)?;
    }
    fs::write(dir.join("feed.jsonl"), &generated.export)?;
    Ok(generated)
}

/// The even ones are crates, the odd ones Python's.
fn purl(package: usize, version: &str) -> String {
    match package % 2 {
        0 => format!("pkg:cargo/crate-{package}@{version}"),
        _ => format!("pkg:pypi/py-package-{package}@{version}"),
    }
}

fn sbom(random: &mut Random, plan: &Plan, number: usize) -> SbomFile {
    // Each has a neighbourhood of its own, so that an advisory touches some of them and not all.
    let wanted = 5 + random.below(plan.packages / 3 + 1);
    let from = random.below(plan.packages);
    let mut components = Vec::new();
    for _ in 0..wanted {
        let package = (from + random.below(plan.packages / 3 + 1)) % plan.packages.max(1);
        components.push(json!({"type": "library", "purl": purl(package, &random.version())}));
    }
    components.push(json!({"type": "library", "name": "left-pad", "purl": "pkg:npm/left-pad@1.3.0"}));
    components.push(json!({"type": "file", "name": "README.md"}));
    components.push(json!({"type": "library", "purl": "pkg:cargo/own@0.1.0?download_url=file:///own"}));
    // Some list theirs inside another one.
    if random.once_in(3) {
        components = vec![json!({"type": "application", "name": "bundle", "components": components})];
    }
    let specification = if random.once_in(2) { "1.5" } else { "1.6" };
    let value = json!({
        "bomFormat": "CycloneDX", "specVersion": specification, "version": 1,
        "metadata": {"component": {"type": "application", "name": format!("product-{number}")}},
        "components": components,
    });
    SbomFile::new(format!("product-{number:03}.cdx.json"), canonical::bytes(&value))
}

fn advisory(random: &mut Random, plan: &Plan, number: usize) -> Value {
    let package = random.below(plan.packages);
    let (ecosystem, kind) = if package.is_multiple_of(2) { ("crates.io", "SEMVER") } else { ("PyPI", "ECOSYSTEM") };
    // The feed writes Python's names as their authors do.
    let name = match package % 2 {
        0 => format!("crate-{package}"),
        _ => format!("Py_Package.{package}"),
    };
    let mut events = vec![json!({"introduced": "0"})];
    if !random.once_in(4) {
        events.push(json!({"fixed": random.version()}));
    }
    let mut advisory = json!({
        "id": format!("CVE-2026-{number:05}"),
        "summary": format!("something in {name}"),
        "details": "a \"text\" with é and a line\nmore",
        "affected": [{"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": kind, "events": events}]}],
        "sources": [],
    });
    let high = if random.once_in(2) { "H" } else { "L" };
    if !random.once_in(4) {
        let score = format!("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:{high}/I:{high}/A:{high}");
        advisory["severity"] = json!([{"type": "CVSS_V3", "score": score}]);
    }
    if random.once_in(10) {
        advisory["database_specific"] = json!({"exploited_added_at": ["2026-01-01T00:00:00.000000Z"]});
    } else if random.once_in(10) {
        advisory["database_specific"] = json!({"informational": ["unmaintained"]});
    } else if random.once_in(10) {
        advisory["withdrawn"] = json!("2026-01-02T00:00:00.000000Z");
    }
    advisory
}

#[cfg(test)]
mod tests {
    use super::{Plan, generate};
    use crate::{advisory::Feed, matching::findings};

    #[test]
    fn the_same_plan_gives_the_same_and_something_is_found() {
        let plan = Plan { seed: 7, sboms: 12, packages: 40, advisories: 60 };
        let (one, other) = (generate(&plan), generate(&plan));
        assert_eq!(one.export, other.export);
        let feed = Feed::read(&one.export).expect("reads");
        assert_eq!(feed.lines().len(), 60);
        let mut found = 0;
        for (one, other) in one.sboms.iter().zip(&other.sboms) {
            assert_eq!(one.digest, other.digest);
            let sbom = one.read().expect("reads");
            assert_eq!(sbom.elsewhere % 3, sbom.elsewhere / 4, "three of elsewhere, and a bundle");
            found += findings(&sbom.components, &feed).len();
        }
        assert!(found > 20, "{found}");
    }
}
