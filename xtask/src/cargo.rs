//! What cargo knows and makes: the workspace's root, its test executables, its release programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Where the workspace is.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// `cargo`, in the workspace's root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// A compiled set of tests, or a compiled program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// The member's name.
    pub package: String,
    /// The member's folder.
    pub folder: PathBuf,
    /// `lib`, `bin` or `test` (others are not run).
    pub kind: String,
    /// The target's name.
    pub target: String,
    /// The file to run.
    pub path: PathBuf,
    /// False for a program that is only compiled because tests start it.
    pub is_test: bool,
}

impl Executable {
    /// How cargo runs it alone.
    pub fn command(&self) -> String {
        let target = match self.kind.as_str() {
            "test" => format!("--test {}", self.target),
            "bin" => format!("--bin {}", self.target),
            _ => "--lib".to_owned(),
        };
        format!("cargo test --package {} {target}", self.package)
    }

    /// As people name it.
    pub fn title(&self) -> String {
        match self.kind.as_str() {
            "test" => format!("{} tests/{}", self.package, self.target),
            "bin" => format!("{} (bin {})", self.package, self.target),
            _ => format!("{} (lib)", self.package),
        }
    }
}

/// Reads the executables out of cargo's `--message-format=json`.
pub fn executables(messages: &str) -> Vec<Executable> {
    messages.lines().filter_map(|line| executable(&serde_json::from_str(line).ok()?)).collect()
}

fn executable(message: &Value) -> Option<Executable> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let path = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let kind = match message["target"]["kind"][0].as_str()? {
        kind @ ("bin" | "test") => kind,
        _ => "lib",
    };
    Some(Executable {
        package: package_name(message["package_id"].as_str()?),
        folder,
        kind: kind.to_owned(),
        target: message["target"]["name"].as_str()?.to_owned(),
        path,
        is_test: message["profile"]["test"] == true,
    })
}

/// From `path+file:///…/crates/orch-core#0.1.0` or `path+file:///…/sdks/rust#orch-client@0.1.0`.
fn package_name(id: &str) -> String {
    let (place, fragment) = id.split_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => place.rsplit('/').next().unwrap_or(place).to_owned(),
    }
}

/// Which programs a demo runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// Quick to compile.
    Dev,
    /// What is shipped.
    Release,
    /// Those of a folder, as they are.
    Built(PathBuf),
}

impl Profile {
    /// What the options of a command mean: a folder's programs, those of the dev profile, else those of a release.
    #[must_use]
    pub fn chosen(programs: Option<&Path>, dev: bool) -> Self {
        match programs {
            Some(folder) => Self::Built(folder.to_owned()),
            None if dev => Self::Dev,
            None => Self::Release,
        }
    }
}

/// Builds programs and says where they are, in the order asked for.
pub fn build(profile: &Profile, packages: &[&str]) -> Result<Vec<PathBuf>> {
    match profile {
        Profile::Built(folder) => Ok(packages.iter().map(|name| folder.join(name)).collect()),
        profile => build_in(&root(), profile, packages, &[]),
    }
}

/// The same, with features on.
pub fn build_with(profile: &Profile, packages: &[&str], features: &[&str]) -> Result<Vec<PathBuf>> {
    build_in(&root(), profile, packages, features)
}

/// The same, from another tree's sources, which shares what both need.
pub fn build_in(tree: &Path, profile: &Profile, packages: &[&str], features: &[&str]) -> Result<Vec<PathBuf>> {
    let mut command = cargo(&["build", "--quiet", "--message-format=json-render-diagnostics", "--bins"]);
    command.current_dir(tree).env("CARGO_TARGET_DIR", root().join("target"));
    if *profile == Profile::Release {
        command.arg("--release");
    }
    for package in packages {
        command.args(["--package", package]);
    }
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("could not run cargo")?;
    if !output.status.success() {
        bail!("could not build {}", packages.join(", "));
    }
    let made = executables(&String::from_utf8_lossy(&output.stdout));
    packages
        .iter()
        .map(|name| {
            let program = made.iter().find(|one| one.package == *name && one.target == *name);
            program.map(|one| one.path.clone()).with_context(|| format!("package {name} has no program {name}"))
        })
        .collect()
}

/// A copy of a program under a name of its own, which no later build changes.
pub fn copied(program: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let to = folder.join(name);
    std::fs::copy(program, &to).with_context(|| format!("could not copy {}", program.display()))?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_by_their_id() {
        assert_eq!(package_name("path+file:///p/crates/orch-core#0.1.0"), "orch-core");
        assert_eq!(package_name("path+file:///p/sdks/rust#orch-client@0.1.0"), "orch-client");
    }

    #[test]
    fn only_artifacts_with_an_executable_count() {
        let test = r#"{"reason":"compiler-artifact","package_id":"path+file:///p/bench#orch-bench@0.1.0",
            "manifest_path":"/p/bench/Cargo.toml","target":{"kind":["test"],"name":"speed"},"executable":"/t/speed-1",
            "profile":{"test":true}}"#
            .replace('\n', "");
        let rlib = r#"{"reason":"compiler-artifact","package_id":"x#1","manifest_path":"/p/x/Cargo.toml",
            "target":{"kind":["lib"],"name":"x"},"executable":null}"#
            .replace('\n', "");
        let found = executables(&format!("{test}\n{rlib}\nnot json\n"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].title(), "orch-bench tests/speed");
        assert_eq!(found[0].command(), "cargo test --package orch-bench --test speed");
        assert!(found[0].is_test);
        assert_eq!(found[0].folder, Path::new("/p/bench"));
    }
}
