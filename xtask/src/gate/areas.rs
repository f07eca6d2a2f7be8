//! The areas of the gate, and which compiled tests belong to which.
//!
//! A package without an area fails the gate, so that no test can be forgotten.

use std::collections::BTreeSet;

use clap::ValueEnum;

use crate::cargo::Executable;

/// A part of the gate that can be run alone. They run in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Area {
    /// Formatting.
    Fmt,
    /// Clippy, every warning an error.
    Lint,
    /// Licences, banned crates and sources of all dependencies.
    Deny,
    /// Rules about the tree itself, and this program's own tests.
    Tidy,
    /// Words and rules.
    Core,
    /// The tenant machine and the arbiter.
    Dispatch,
    /// The simulated world.
    Sim,
    /// The ledger's conformance suite, on SQLite and PostgreSQL.
    Store,
    /// Ownership, prepare, the one writer, recovery.
    Engine,
    /// The fence, as interleavings of sessions on PostgreSQL.
    Fence,
    /// The HTTP API.
    Server,
    /// The committed OpenAPI document.
    Openapi,
    /// The Rust SDK.
    Client,
    /// The executable and its commands.
    Cli,
    /// The examples: feeds and analysis.
    Feeds,
    /// The load driver's own tests (not the measurements).
    Bench,
    /// Examples in documentation, and the pages themselves.
    Docs,
    /// The shell snippets of README and guides, word for word; the page of the command line.
    Guides,
    /// The API by its OpenAPI document: a linter, a generated client, good and bad calls over every operation.
    Contract,
    /// A generated feed through real programs on SQLite and PostgreSQL: the same export.
    E2e,
}

const QUICK: &[Area] = &[Area::Fmt, Area::Tidy, Area::Core, Area::Dispatch, Area::Sim, Area::Store];

impl Area {
    /// As it is named on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Lint => "lint",
            Self::Deny => "deny",
            Self::Tidy => "tidy",
            Self::Core => "core",
            Self::Dispatch => "dispatch",
            Self::Sim => "sim",
            Self::Store => "store",
            Self::Engine => "engine",
            Self::Fence => "fence",
            Self::Server => "server",
            Self::Openapi => "openapi",
            Self::Client => "client",
            Self::Cli => "cli",
            Self::Feeds => "feeds",
            Self::Bench => "bench",
            Self::Docs => "docs",
            Self::Guides => "guides",
            Self::Contract => "contract",
            Self::E2e => "e2e",
        }
    }

    /// The packages whose tests may belong here.
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Fmt | Self::Lint | Self::Deny | Self::Docs | Self::Guides | Self::Contract => &[],
            Self::Tidy => &["xtask"],
            Self::Core => &["orch-core"],
            Self::Dispatch => &["orch-gates", "orch-graph", "orch-dispatch"],
            Self::Sim => &["orch-testkit", "orch-engine", "orch-dispatch"],
            Self::Store => &["orch-store"],
            Self::Engine => &["orch-engine"],
            Self::Fence => &["orch-store", "orch-engine"],
            Self::Server => &["orch-server"],
            Self::Openapi => &["orch-server", "orch"],
            Self::Client => &["orch-client"],
            Self::Cli => &["orch"],
            Self::Feeds => &["orch-feeds", "orch-analysis"],
            Self::Bench => &["orch-bench", "orch-chaos"],
            Self::E2e => &["orch", "orch-feeds", "orch-server", "orch-client"],
        }
    }

    /// False for the areas that run a command instead of compiled tests.
    pub fn has_tests(self) -> bool {
        !self.packages().is_empty()
    }

    /// True where tests may ask for PostgreSQL.
    pub fn needs_postgres(self) -> bool {
        matches!(
            self,
            Self::Store
                | Self::Engine
                | Self::Fence
                | Self::Server
                | Self::Openapi
                | Self::Client
                | Self::Cli
                | Self::Feeds
                | Self::Bench
                | Self::E2e
        )
    }
}

/// What to run: what was named, else the quick set, else everything.
pub fn wanted(named: &[Area], quick: bool) -> BTreeSet<Area> {
    let all = if quick { QUICK } else { Area::value_variants() };
    if named.is_empty() { all.iter().copied().collect() } else { named.iter().copied().collect() }
}

/// The one area that a set of tests belongs to: by the name of the test file first, then by its package.
pub fn area_of(executable: &Executable) -> Option<Area> {
    if executable.kind == "test" {
        let by_name = [("e2e", Area::E2e), ("fence", Area::Fence), ("sim", Area::Sim), ("openapi", Area::Openapi)];
        for (prefix, area) in by_name {
            if executable.target.starts_with(prefix) && area.packages().contains(&executable.package.as_str()) {
                return Some(area);
            }
        }
    }
    Some(match executable.package.as_str() {
        "xtask" => Area::Tidy,
        "orch-core" => Area::Core,
        "orch-gates" | "orch-graph" | "orch-dispatch" => Area::Dispatch,
        "orch-testkit" => Area::Sim,
        "orch-store" => Area::Store,
        "orch-engine" => Area::Engine,
        "orch-server" => Area::Server,
        "orch-client" => Area::Client,
        "orch" => Area::Cli,
        "orch-feeds" | "orch-analysis" => Area::Feeds,
        "orch-bench" | "orch-chaos" => Area::Bench,
        _ => return None,
    })
}

/// Prints every area with what it is.
pub fn print_list() {
    for area in Area::value_variants() {
        let value = area.to_possible_value();
        let text = value.as_ref().and_then(|value| value.get_help()).map(ToString::to_string).unwrap_or_default();
        let quick = if QUICK.contains(area) { "quick" } else { "" };
        println!("{:9} {quick:6} {text}", area.name());
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn executable(package: &str, kind: &str, target: &str) -> Executable {
        let (package, kind, target) = (package.to_owned(), kind.to_owned(), target.to_owned());
        Executable { package, folder: PathBuf::new(), kind, target, path: PathBuf::new(), is_test: true }
    }

    #[test]
    fn a_test_file_goes_to_the_area_that_its_name_begins_with() {
        assert_eq!(area_of(&executable("orch-store", "test", "fence")), Some(Area::Fence));
        assert_eq!(area_of(&executable("orch-engine", "test", "sim_recovery")), Some(Area::Sim));
        assert_eq!(area_of(&executable("orch-store", "test", "conformance")), Some(Area::Store));
        assert_eq!(area_of(&executable("orch-core", "test", "simple")), Some(Area::Core));
        assert_eq!(area_of(&executable("orch-store", "lib", "fence")), Some(Area::Store));
    }

    #[test]
    fn every_member_of_the_workspace_has_an_area() {
        let text = std::fs::read_to_string(crate::cargo::root().join("Cargo.toml")).unwrap();
        let members = text.split("members = [").nth(1).unwrap().split(']').next().unwrap();
        for folder in members.split('"').skip(1).step_by(2) {
            let manifest = std::fs::read_to_string(crate::cargo::root().join(folder).join("Cargo.toml")).unwrap();
            let name = manifest.split("name = \"").nth(1).unwrap().split('"').next().unwrap();
            let area = area_of(&executable(name, "lib", name));
            assert!(area.is_some_and(|area| area.packages().contains(&name)), "{name} belongs to no area");
        }
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for area in Area::value_variants() {
            assert_eq!(area.to_possible_value().unwrap().get_name(), area.name());
        }
        assert_eq!(wanted(&[Area::Fence], true), BTreeSet::from([Area::Fence]));
        assert_eq!(wanted(&[], true).len(), QUICK.len());
    }
}
