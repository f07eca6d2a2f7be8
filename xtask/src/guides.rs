//! The shell snippets of README.md and `docs/guides`, run word for word; and the page of the command line, which is made.
//!
//! What the fences' info strings mean is in `guides/page.rs`, how snippets run in `guides/session.rs`. The programs are
//! those of the dev profile, first on PATH; a page that needs a database gets a PostgreSQL of its own.

mod commands;
mod expect;
mod page;
mod ports;
mod session;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo::{Profile, build, cargo, root};
use crate::clock::Stopwatch;
use crate::postgres::{Cluster, Durability, Missing, find_or_install};
use crate::scratch::Scratch;
use commands::Reference;
use page::{Kind, Page};
use ports::Ports;
use session::Session;

/// The example of the SDK that a guide starts.
const EXAMPLE: &str = "greeter";
/// What a page that needs a database is given.
const DATABASE: &str = "ORCH_DATABASE";

/// How a page went.
#[derive(Debug)]
pub struct PageRun {
    /// Its path from the root.
    pub page: String,
    /// How long it took.
    pub seconds: f64,
    /// Snippets that held.
    pub passed: u32,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// What was left out, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// The programs that snippets call.
#[derive(Debug)]
struct Programs {
    orch: PathBuf,
    /// Folders that come first on PATH.
    folders: Vec<PathBuf>,
}

/// Runs every page; what the sessions printed goes to `logs`.
pub fn run(profile: &Profile, logs: &Path) -> Result<Vec<PageRun>> {
    let programs = Programs::build(profile)?;
    let reference = Reference::ask(&programs.orch)?;
    let mut runs = vec![reference_page(&reference)?, commands_of_pages(&reference)?];
    for path in guides()? {
        let watch = Stopwatch::start();
        let mut run = PageRun::new(&path);
        if let Err(error) = page_run(&mut run, &programs, logs) {
            run.failure = Some(format!("{error:#}"));
        }
        run.seconds = watch.seconds();
        runs.push(run);
    }
    Ok(runs)
}

impl PageRun {
    fn new(page: &str) -> Self {
        Self { page: page.to_owned(), seconds: 0.0, passed: 0, failure: None, skipped: Vec::new() }
    }

    fn of(page: &str, failure: Option<String>) -> Self {
        Self { passed: u32::from(failure.is_none()), failure, ..Self::new(page) }
    }
}

impl Programs {
    fn build(profile: &Profile) -> Result<Self> {
        let made = build(profile, &["orch", "orch-feeds", "orch-analysis"])?;
        let [orch, ..] = made.as_slice() else { bail!("programs were asked for") };
        if !matches!(profile, Profile::Built(_)) {
            let status = cargo(&["build", "--quiet", "--package", "orch-client", "--example", EXAMPLE]).status()?;
            if !status.success() {
                bail!("could not build the example {EXAMPLE}");
            }
        }
        let folder = orch.parent().context("a program lies in a folder")?;
        Ok(Self { orch: orch.clone(), folders: vec![folder.to_owned(), folder.join("examples")] })
    }
}

/// README.md and every guide.
fn guides() -> Result<Vec<String>> {
    let mut found = vec!["README.md".to_owned()];
    found.extend(pages_in("docs/guides")?);
    Ok(found)
}

fn pages_in(folder: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(root().join(folder)).with_context(|| format!("could not read {folder}"))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            names.push(format!("{folder}/{name}"));
        }
    }
    names.sort();
    Ok(names)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("could not read {path}"))
}

/// `docs/reference/cli.md` is what the program says; `UPDATE=1` writes it.
fn reference_page(reference: &Reference) -> Result<PageRun> {
    const PAGE: &str = "docs/reference/cli.md";
    let text = reference.page();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join(PAGE), &text)?;
    }
    let found = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let failure = (found != text).then(|| format!("not what `orch --help` says; {}", commands::AGAIN));
    Ok(PageRun::of(PAGE, failure))
}

/// Every `orch …` that a page names is a command, with flags that it has.
fn commands_of_pages(reference: &Reference) -> Result<PageRun> {
    let mut pages = guides()?;
    for folder in ["docs/concepts", "docs/operate/runbooks"] {
        pages.extend(pages_in(folder)?);
    }
    let mut unknown = Vec::new();
    for path in pages {
        unknown.extend(reference.unknown(&read(&path)?).into_iter().map(|what| format!("{path}: {what}")));
    }
    Ok(PageRun::of("commands that pages name", (!unknown.is_empty()).then(|| unknown.join("\n"))))
}

fn page_run(run: &mut PageRun, programs: &Programs, logs: &Path) -> Result<()> {
    let text = read(&run.page)?;
    let ports = Ports::of(&text)?;
    let page = Page::read(&ports.moved(&text))?;
    for block in page.blocks.iter().filter(|block| block.kind == Kind::Elsewhere) {
        run.skipped.push((format!("{}:{}", run.page, block.line), "the page marks it as `elsewhere`".to_owned()));
    }
    let scratch = Scratch::new("orch-guide", false)?;
    let mut environment = ports.environment();
    let cluster = match database(&page)? {
        Database::None => None,
        Database::Started(cluster, binaries) => {
            environment.push((DATABASE.to_owned(), cluster.url()));
            Some((cluster, binaries))
        }
        Database::Missing(why) => {
            run.skipped.push((run.page.clone(), why));
            return Ok(());
        }
    };
    let mut folders = programs.folders.clone();
    folders.extend(cluster.iter().map(|(_, binaries)| binaries.clone()));
    let log = logs.join(format!("guides-{}.log", run.page.replace('/', "-")));
    let mut session = Session::open(scratch.path(), &folders, &environment, &log)?;
    for block in &page.blocks {
        session.step(block)?;
        run.passed += u32::from(matches!(block.kind, Kind::Run { .. } | Kind::Background));
    }
    session.close()
}

enum Database {
    None,
    Started(Cluster, PathBuf),
    Missing(String),
}

/// A cluster for a page that asks its reader for a database.
fn database(page: &Page) -> Result<Database> {
    let given: Vec<_> = page.blocks.iter().filter(|block| block.kind == Kind::Given).collect();
    for block in &given {
        let lines = block.text.lines().filter(|line| !line.trim().is_empty());
        for line in lines {
            if !line.starts_with(&format!("export {DATABASE}=")) {
                bail!("line {}: `given` may only export {DATABASE}", block.line);
            }
        }
    }
    if given.is_empty() {
        return Ok(Database::None);
    }
    match find_or_install() {
        Ok(binaries) => Ok(Database::Started(Cluster::start(&binaries, Durability::Fast)?, binaries.folder.clone())),
        Err(error) if error.is::<Missing>() && std::env::var_os("CI").is_none() => {
            Ok(Database::Missing(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// A command whose environment says nothing about a server.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORCH_")) {
        command.env_remove(name);
    }
    command
}
