//! `orch-analysis sbom`: public tools make SBOMs of the lock files below a folder.
//!
//! Serial numbers and times are taken out of what they write, so that the same lock file gives the same bytes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};
use clap::Args;
use orch_analysis::sbom::Sbom;
use serde_json::Value;
use tempfile::TempDir;

/// Where to look, and where to write.
#[derive(Debug, Args)]
pub(super) struct SbomArguments {
    /// The folder that is searched for Cargo.lock, poetry.lock, requirements*.txt and package-lock.json.
    #[arg(long)]
    root: PathBuf,
    /// The folder to write to.
    #[arg(long)]
    out: PathBuf,
}

/// A public tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Cargo,
    Python,
    Npm,
}

/// How `cargo cyclonedx` names its files, which it writes beside each manifest.
const CARGO_NAME: &str = "orch-analysis-sbom";

impl Tool {
    fn of_file(name: &str) -> Option<Tool> {
        match name {
            "Cargo.lock" => Some(Tool::Cargo),
            "poetry.lock" => Some(Tool::Python),
            "package-lock.json" => Some(Tool::Npm),
            _ if name.starts_with("requirements") && name.ends_with(".txt") => Some(Tool::Python),
            _ => None,
        }
    }

    /// What shows that it is there, and how to get it.
    fn probe(self) -> (&'static [&'static str], &'static str) {
        match self {
            Tool::Cargo => (&["cargo", "cyclonedx", "--version"], "cargo install cargo-cyclonedx"),
            Tool::Python => (&["cyclonedx-py", "--version"], "pip install cyclonedx-bom"),
            Tool::Npm => (&["npm", "sbom", "--help"], "npm 10 or later, which has `npm sbom`"),
        }
    }

    fn is_there(self) -> bool {
        let (words, _) = self.probe();
        let output = Command::new(words[0]).args(&words[1..]).output();
        output.is_ok_and(|output| output.status.success())
    }
}

pub(super) fn run(arguments: &SbomArguments) -> anyhow::Result<ExitCode> {
    let root = arguments.root.canonicalize();
    let root = root.with_context(|| format!("could not find {}", arguments.root.display()))?;
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("could not make {}", out.display()))?;
    let mut locks = Vec::new();
    walk(&root, &mut |path| {
        let tool = path.file_name().and_then(|name| Tool::of_file(&name.to_string_lossy()));
        locks.extend(tool.map(|tool| (tool, path)));
    })?;
    locks.sort_by(|(_, one), (_, other)| one.cmp(other));
    if locks.is_empty() {
        bail!("there is no lock file below {}", root.display());
    }
    let mut made = 0;
    let mut missed = 0;
    for tool in [Tool::Cargo, Tool::Python, Tool::Npm] {
        let own: Vec<&PathBuf> = locks.iter().filter(|(of, _)| *of == tool).map(|(_, path)| path).collect();
        if own.is_empty() {
            continue;
        }
        if !tool.is_there() {
            let (words, how) = tool.probe();
            eprintln!("skipped {} lock files: `{}` does not work here; get it by: {how}", own.len(), words.join(" "));
            missed += own.len();
            continue;
        }
        for lock in own {
            match sboms_of(tool, &root, lock) {
                Ok(found) => {
                    for (name, bytes) in found {
                        made += write(out, &name, &bytes)?;
                    }
                }
                Err(error) => {
                    eprintln!("skipped {}: {error:#}", lock.display());
                    missed += 1;
                }
            }
        }
    }
    println!("{made} SBOMs in {}, {missed} lock files skipped", out.display());
    Ok(if made > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the tool makes of a lock file: of a Cargo workspace, one for each member.
fn sboms_of(tool: Tool, root: &Path, lock: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let folder = lock.parent().context("a file lies in a folder")?;
    let printed = |folder: &Path, words: &[&str]| -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let mut command = Command::new(words[0]);
        let output = command.args(&words[1..]).current_dir(folder).output()?;
        if !output.status.success() {
            bail!("{} ended {}: {}", words.join(" "), output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(vec![(name_of(root, lock), output.stdout)])
    };
    let file = lock.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match tool {
        Tool::Npm => {
            let copy = versioned(folder)?;
            let words = ["npm", "sbom", "--package-lock-only", "--sbom-format", "cyclonedx"];
            printed(copy.path(), &words)
        }
        Tool::Python if file == "poetry.lock" => printed(folder, &["cyclonedx-py", "poetry", "--sv", "1.6", "."]),
        Tool::Python => printed(folder, &["cyclonedx-py", "requirements", "--sv", "1.6", &file]),
        Tool::Cargo => {
            let words = ["cargo", "cyclonedx", "--format", "json", "--spec-version", "1.5", "--target", "all"];
            let words = [&words[..], &["--override-filename", CARGO_NAME, "-qq"]].concat();
            printed(folder, &words)?;
            let mut found = Vec::new();
            walk(folder, &mut |path| {
                if path.file_stem().is_some_and(|stem| stem == CARGO_NAME) {
                    found.push(path);
                }
            })?;
            found.sort();
            let mut sboms = Vec::new();
            for path in found {
                let bytes = fs::read(&path)?;
                fs::remove_file(&path)?;
                sboms.push((name_of(root, &path.with_file_name("Cargo.toml")), bytes));
            }
            Ok(sboms)
        }
    }
}

/// A copy of what `npm sbom` reads, in which the package itself has a version: without one it refuses.
fn versioned(folder: &Path) -> anyhow::Result<TempDir> {
    let copy = tempfile::tempdir().context("could not make a folder")?;
    for (name, pointer) in [("package.json", ""), ("package-lock.json", "/packages/")] {
        let mut value: Value = serde_json::from_slice(&fs::read(folder.join(name))?)?;
        if let Some(package) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
            package.entry("version").or_insert_with(|| "0.0.0".into());
        }
        fs::write(copy.path().join(name), serde_json::to_vec(&value)?)?;
    }
    Ok(copy)
}

/// The path from the root as one word.
fn name_of(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    let words: Vec<String> = inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    format!("{}.cdx.json", words.join("-"))
}

/// Writes an SBOM that can be read; the number of files, which is one.
fn write(out: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<usize> {
    let mut value: Value = serde_json::from_slice(bytes).with_context(|| format!("{name}: not JSON"))?;
    if let Some(members) = value.as_object_mut() {
        members.remove("serialNumber");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("timestamp");
    }
    let text = serde_json::to_string_pretty(&value)? + "\n";
    let sbom = Sbom::read(text.as_bytes()).with_context(|| format!("{name}: not as expected"))?;
    let file = out.join(name);
    fs::write(&file, text).with_context(|| format!("could not write {}", file.display()))?;
    println!("{:5} components, {:5} of elsewhere  {name}", sbom.components.len(), sbom.elsewhere);
    Ok(1)
}

/// All files below a folder, without hidden folders and what was built or installed.
fn walk(dir: &Path, found: &mut dyn FnMut(PathBuf)) -> anyhow::Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("could not read {}", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() && !name.starts_with('.') && !matches!(name.as_str(), "target" | "node_modules") {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            found(entry.path());
        }
    }
    Ok(())
}
