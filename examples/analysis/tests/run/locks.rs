//! SBOMs of this project's own lock files, made here, so that no tool is needed.

use std::{fs, path::Path};

use orch_analysis::sbom::SbomFile;
use serde_json::{Value, json};

/// One of each lock file that is there.
pub fn sboms(root: &Path) -> Vec<SbomFile> {
    let mut made = Vec::new();
    for path in ["Cargo.lock", "bench/peers/awa/Cargo.lock"] {
        made.extend(read(root, path).map(|text| sbom(path, cargo(&text))));
    }
    made.extend(read(root, "tools/schemathesis/requirements.txt").map(|text| sbom("requirements", python(&text))));
    for path in ["tools/openapi-lint/package-lock.json", "bench/peers/bullmq/package-lock.json"] {
        made.extend(read(root, path).map(|text| sbom(path, npm(&text))));
    }
    // What runs on these two packages is old on purpose.
    made.push(sbom("old", vec!["pkg:cargo/time@0.1.44".to_owned(), "pkg:pypi/Django@3.2.1".to_owned()]));
    made
}

fn read(root: &Path, path: &str) -> Option<String> {
    fs::read_to_string(root.join(path)).ok()
}

fn sbom(path: &str, purls: Vec<String>) -> SbomFile {
    let components: Vec<Value> = purls.iter().map(|purl| json!({"type": "library", "purl": purl})).collect();
    let value = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "components": components,
        "metadata": {"component": {"type": "application", "name": path}},
    });
    SbomFile::new(format!("{}.cdx.json", path.replace('/', "-")), value.to_string().into_bytes())
}

/// Packages of the registry; those of the workspace have no `source`.
fn cargo(text: &str) -> Vec<String> {
    let of = |block: &str, member: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{member} = ")));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let named = |block: &str| {
        let source = of(block, "source")?;
        let purl = format!("pkg:cargo/{}@{}", of(block, "name")?, of(block, "version")?.replace('+', "%2B"));
        source.starts_with("registry+").then_some(purl)
    };
    text.split("[[package]]").filter_map(named).collect()
}

fn python(text: &str) -> Vec<String> {
    let pinned = text.lines().filter_map(|line| line.trim().split_once("=="));
    let version = |rest: &str| rest.split([' ', ';', '\\']).next().unwrap_or_default().to_owned();
    pinned.map(|(name, rest)| format!("pkg:pypi/{}@{}", name.trim(), version(rest))).collect()
}

fn npm(text: &str) -> Vec<String> {
    let lock: Value = serde_json::from_str(text).expect("a lock file is JSON");
    let packages = lock["packages"].as_object().into_iter().flatten();
    let named = packages.filter_map(|(path, package)| {
        Some(format!("pkg:npm/{}@{}", path.rsplit_once("node_modules/")?.1, package["version"].as_str()?))
    });
    named.collect()
}
