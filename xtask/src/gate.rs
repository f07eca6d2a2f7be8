//! `cargo xtask test`: everything that must hold before a change is accepted.
//!
//! All steps run, then the report; what was left out is said aloud. Which tests belong to which area is in
//! `gate/areas.rs`, how one step runs in `gate/steps.rs`, what is printed in `gate/report.rs`.

mod areas;
mod contract;
mod e2e;
mod guides;
mod report;
mod steps;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;

use crate::cargo::{Executable, Profile, cargo, executables, root};
use crate::postgres::{Cluster, Durability, Missing, find_or_install};
use areas::Area;
use report::{Counts, Report};
use steps::{Log, run_command, run_tests};

/// What the caller asked for.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only what needs seconds: no PostgreSQL, few simulation seeds.
    #[arg(long)]
    quick: bool,
    /// Only these areas (repeatable).
    #[arg(long, value_name = "NAME")]
    area: Vec<Area>,
    /// Print the areas and what they run.
    #[arg(long)]
    list: bool,
}

/// Runs the gate. True when everything passed.
pub fn run(options: &Options) -> Result<bool> {
    if options.list {
        areas::print_list();
        return Ok(true);
    }
    let mut gate = Gate::new(options)?;
    gate.static_checks()?;
    gate.tests()?;
    if gate.wanted.contains(&Area::Sim) && !gate.quick {
        gate.planted_bugs()?;
    }
    if gate.wanted.contains(&Area::Docs) {
        gate.docs()?;
    }
    if gate.wanted.contains(&Area::Guides) {
        guides::run(&mut gate.report, &gate.logs, &gate.programs)?;
    }
    if gate.wanted.contains(&Area::Contract) {
        contract::run(&mut gate.report, &gate.logs, &gate.programs)?;
    }
    if gate.wanted.contains(&Area::E2e) {
        e2e::run(&mut gate.report, &gate.logs, &gate.programs)?;
    }
    Ok(gate.report.finish())
}

/// True in continuous integration, where nothing that is required may be left out.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

struct Gate {
    wanted: BTreeSet<Area>,
    chosen: bool,
    quick: bool,
    logs: PathBuf,
    report: Report,
    /// The programs for the steps that start them: those that the tests were compiled with, if they were.
    programs: Profile,
}

impl Gate {
    fn new(options: &Options) -> Result<Self> {
        let wanted = areas::wanted(&options.area, options.quick);
        let logs = root().join("target/xtask/logs");
        std::fs::create_dir_all(&logs)?;
        let mut report = Report::default();
        if options.quick {
            report.skip("PostgreSQL, and the areas of the whole gate", "--quick");
        }
        Ok(Self {
            wanted,
            chosen: !options.area.is_empty(),
            quick: options.quick,
            logs,
            report,
            programs: Profile::Dev,
        })
    }

    /// What needs no test executable.
    fn static_checks(&mut self) -> Result<()> {
        if self.wanted.contains(&Area::Fmt) {
            self.command("fmt", &["fmt", "--all", "--check"], &[])?;
        }
        if self.wanted.contains(&Area::Lint) {
            self.command("lint", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])?;
        }
        if self.wanted.contains(&Area::Deny) {
            self.deny()?;
        }
        Ok(())
    }

    fn deny(&mut self) -> Result<()> {
        let present = cargo(&["deny", "--version"]).output().is_ok_and(|output| output.status.success());
        if !present && !in_ci() && !self.chosen {
            let reason =
                "cargo-deny is not installed; `cargo install cargo-deny --locked`, or `--area deny`, which does it";
            self.report.skip("deny", reason);
            return Ok(());
        }
        if !present {
            // Unoptimised: it is built once and runs for a second.
            println!("installing cargo-deny (some minutes): cargo install cargo-deny --locked --debug");
            self.command("install cargo-deny", &["install", "cargo-deny", "--locked", "--debug", "--quiet"], &[])?;
        }
        self.report.skip("deny: advisories", "they need a download; `cargo deny check advisories`");
        self.command("deny", &["deny", "--log-level", "error", "check", "licenses", "bans", "sources"], &[])
    }

    /// Compiles every test once, then runs the executables area by area.
    fn tests(&mut self) -> Result<()> {
        if !self.wanted.iter().any(|area| area.has_tests()) {
            return Ok(());
        }
        let Some(all) = self.compile()? else {
            return Ok(());
        };
        let (known, strays): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| areas::area_of(one).is_some());
        for stray in strays {
            let text = "belongs to no area: name its package in xtask/src/gate/areas.rs";
            self.report.fail(&stray.title(), text, Counts::one_failed());
        }
        let cluster = self.cluster(&known)?;
        let environment = self.environment(cluster.as_ref());
        for area in self.wanted.clone() {
            for executable in known.iter().filter(|one| areas::area_of(one) == Some(area)) {
                let outcome = run_tests(executable, &self.log(area.name(), &executable.target)?, &environment)?;
                self.report.add(area.name(), &executable.title(), outcome);
            }
        }
        Ok(())
    }

    fn compile(&mut self) -> Result<Option<Vec<Executable>>> {
        let mut arguments = vec!["test", "--no-run", "--quiet", "--message-format=json-render-diagnostics"];
        if self.chosen || self.quick {
            let packages: BTreeSet<&str> = self.wanted.iter().flat_map(|area| area.packages()).copied().collect();
            arguments.extend(packages.into_iter().flat_map(|package| ["--package", package]));
        } else {
            arguments.push("--workspace");
        }
        let log = self.log("compile", "tests")?;
        let outcome = run_command(&mut cargo(&arguments), &log)?;
        let passed = outcome.failure.is_none();
        self.report.add("compile", "", outcome);
        let mut tests = executables(&log.stdout());
        if let Some(folder) = self.whole_build(&tests) {
            self.programs = Profile::Built(folder);
        }
        tests.retain(|one| one.is_test);
        Ok(passed.then_some(tests))
    }

    /// Where the programs lie, when all were compiled: a build of them alone would compile half of the tree once more,
    /// since some crates have other features without the tests.
    fn whole_build(&self, made: &[Executable]) -> Option<PathBuf> {
        let orch = made.iter().find(|one| !one.is_test && one.target == "orch")?;
        let whole = !self.chosen && !self.quick;
        orch.path.parent().filter(|_| whole).map(PathBuf::from)
    }

    /// A PostgreSQL for the tests, unless there is one already or none is needed.
    fn cluster(&mut self, executables: &[Executable]) -> Result<Option<Cluster>> {
        let wanted = |one: &Executable| {
            areas::area_of(one).is_some_and(|area| self.wanted.contains(&area) && area.needs_postgres())
        };
        if self.quick || std::env::var_os("ORCH_TEST_POSTGRES_URL").is_some() || !executables.iter().any(wanted) {
            return Ok(None);
        }
        let started = find_or_install().and_then(|binaries| {
            println!("PostgreSQL {} from {}", binaries.major, binaries.folder.display());
            Cluster::start(&binaries, Durability::Fast)
        });
        match started {
            Ok(cluster) => Ok(Some(cluster)),
            Err(error) if error.is::<Missing>() && !in_ci() => {
                self.report.skip("everything on PostgreSQL", &error.to_string());
                Ok(None)
            }
            Err(error) => {
                self.report.fail("PostgreSQL", &format!("{error:#}"), Counts::one_failed());
                Ok(None)
            }
        }
    }

    /// What the tests are told. Where PostgreSQL is there, or must be, no test may leave it out.
    fn environment(&self, cluster: Option<&Cluster>) -> Vec<(&'static str, Option<String>)> {
        let given = std::env::var("ORCH_TEST_POSTGRES_URL").ok();
        let url = if self.quick { None } else { cluster.map(Cluster::url).or(given) };
        let required = url.is_some() || (in_ci() && !self.quick);
        let mut environment =
            vec![("ORCH_TEST_POSTGRES_URL", url), ("ORCH_TEST_REQUIRE", required.then(|| "postgres".to_owned()))];
        if self.quick {
            environment.push(("ORCH_SIM_SEEDS", Some("50".to_owned())));
        }
        environment
    }

    /// The test of the simulated world: it must find what is planted. Needs a build of its own.
    fn planted_bugs(&mut self) -> Result<()> {
        let arguments = ["test", "--package", "orch-testkit", "--features", "mutants", "--test", "sim_mutants"];
        self.command("sim: planted bugs", &arguments, &[])?;
        self.command("gates: planted bugs", &["test", "--package", "orch-gates", "--features", "mutants"], &[])?;
        self.command("graphs: planted bugs", &["test", "--package", "orch-graph", "--features", "mutants"], &[])
    }

    fn docs(&mut self) -> Result<()> {
        let strict = [("RUSTDOCFLAGS", "-D warnings")];
        self.command("docs: examples", &["test", "--doc", "--workspace", "--quiet"], &[])?;
        self.command(
            "docs: pages",
            &["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"],
            &strict,
        )
    }

    fn command(&mut self, name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
        let mut command = cargo(arguments);
        command.envs(environment.iter().copied());
        let outcome = run_command(&mut command, &self.log(name, "")?)?;
        self.report.add(name, "", outcome);
        Ok(())
    }

    fn log(&self, area: &str, target: &str) -> Result<Log> {
        Log::create(&self.logs, area, target)
    }
}
