//! Shell completions: the words of the command line, and what the server or the contexts know.

use std::ffi::OsString;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _};
use clap_complete::env::Shells;
use clap_complete::{ArgValueCandidates, CompleteEnv, CompletionCandidate};
use orch_client::{Client, DeadLetterQuery, JobQuery, RunQuery};

use crate::Cli;
use crate::connection::Connection;
use crate::context::Contexts;
use crate::failure::Failure;
use crate::output::text;

/// The variable by which a shell asks for completions.
const VARIABLE: &str = "ORCH_COMPLETE";
/// What nobody waits longer for before the next key.
const LIMIT: Duration = Duration::from_secs(2);
/// As many as anybody looks through.
const CANDIDATES_MAX: u32 = 100;

/// A shell that is known.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Shell {
    /// bash 4.4 or newer.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

/// Answers a shell that asks for completions, and ends; else goes on.
pub fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).bin("orch").completer("orch").complete();
}

/// Prints what makes a shell ask.
pub fn print(shell: Shell) -> Result<(), Failure> {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let known = shells.completer(name).expect("the shell is one of the built-in ones");
    known.write_registration(VARIABLE, "orch", "orch", "orch", &mut script)?;
    text(String::from_utf8_lossy(&script).trim_end())
}

/// The newest jobs.
pub fn jobs() -> ArgValueCandidates {
    live(async |client: Client| {
        let query = JobQuery { limit: Some(CANDIDATES_MAX), ..JobQuery::default() };
        let jobs = client.jobs().list(&query).await?.items;
        Ok(jobs.iter().map(|job| candidate(&job.id.to_string(), &format!("{} {}", job.job_type, job.state))).collect())
    })
}

/// The open dead letters.
pub fn dead_letters() -> ArgValueCandidates {
    live(async |client: Client| {
        let query = DeadLetterQuery { limit: Some(CANDIDATES_MAX), ..DeadLetterQuery::default() };
        let letters = client.dead_letters().list(&query).await?.items;
        let shown =
            letters.iter().map(|letter| (letter.job.to_string(), format!("{} {}", letter.job_type, letter.cause)));
        Ok(shown.map(|(job, help)| candidate(&job, &help)).collect())
    })
}

/// The job types.
pub fn job_types() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.job_types().list(None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.name, it.description.as_deref().unwrap_or_default())).collect())
    })
}

/// The sources.
pub fn sources() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.sources().list(None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.name, &it.description)).collect())
    })
}

/// The hosts of sources.
pub fn hosts() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.sources().list(None).await?.items;
        let hosts = found.iter().filter_map(|it| Some((it.host.as_deref()?, it.name.as_str())));
        let hosts: std::collections::BTreeMap<_, _> = hosts.collect();
        Ok(hosts.into_iter().map(|(host, source)| candidate(host, source)).collect())
    })
}

/// The buckets.
pub fn buckets() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.buckets().list(None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.name, it.host.as_deref().unwrap_or_default())).collect())
    })
}

/// The quotas.
pub fn quotas() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.quotas().list(None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.name, it.description.as_deref().unwrap_or_default())).collect())
    })
}

/// The terms of well-known feeds.
pub fn known_terms() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.buckets().known().await?;
        Ok(found.iter().map(|it| candidate(&it.id, &it.title)).collect())
    })
}

/// The blackouts.
pub fn blackouts() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.blackouts().list(None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.name, it.description.as_deref().unwrap_or_default())).collect())
    })
}

/// The schedules.
pub fn schedules() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.schedules().list(None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.name, it.description.as_deref().unwrap_or_default())).collect())
    })
}

/// The graphs.
pub fn graphs() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.graphs().list(None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.name, it.description.as_deref().unwrap_or_default())).collect())
    })
}

/// The newest runs.
pub fn runs() -> ArgValueCandidates {
    live(async |client: Client| {
        let query = RunQuery { limit: Some(CANDIDATES_MAX), ..RunQuery::default() };
        let runs = client.runs().list(&query).await?.items;
        Ok(runs.iter().map(|run| candidate(&run.id.to_string(), &format!("{} {}", run.graph, run.state))).collect())
    })
}

/// The newest backfills.
pub fn backfills() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.backfills().list(Some(CANDIDATES_MAX), None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.id.to_string(), &format!("{} {}", it.source, it.state))).collect())
    })
}

/// The breakers.
pub fn breakers() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.breakers().list(None).await?.items;
        let target = |it: &orch_client::Breaker| it.host.clone().or_else(|| it.job_type.clone()).unwrap_or_default();
        Ok(found.iter().map(|it| candidate(&it.name, &target(it))).collect())
    })
}

/// The projects.
pub fn projects() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.projects().list(None).await?.items;
        Ok(found.iter().map(|it| candidate(&it.name, &it.description)).collect())
    })
}

/// The lanes.
pub fn lanes() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.lanes().await?;
        Ok(found.iter().map(|it| candidate(&it.lane.to_string(), &it.job_type)).collect())
    })
}

/// The tenants.
pub fn tenants() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.tenants().list().await?;
        Ok(found.iter().map(|it| candidate(&it.name, &it.id)).collect())
    })
}

/// The tokens.
pub fn tokens() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.tokens().list().await?;
        Ok(found.iter().map(|it| candidate(&it.id, &format!("{} {}", it.name, it.state))).collect())
    })
}

/// The worker sessions.
pub fn workers() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.workers().list().await?;
        Ok(found.iter().map(|it| candidate(&it.session, &it.worker_id)).collect())
    })
}

/// The nodes.
pub fn nodes() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.nodes().list().await?;
        Ok(found.iter().map(|it| candidate(&it.id, &it.address)).collect())
    })
}

/// The shards.
pub fn shards() -> ArgValueCandidates {
    live(async |client: Client| {
        let found = client.shards().list().await?;
        let owner = |owner: &Option<String>| owner.clone().unwrap_or_default();
        Ok(found.iter().map(|it| candidate(&it.shard.to_string(), &owner(&it.owner))).collect())
    })
}

/// The contexts.
pub fn contexts() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let contexts = Contexts::read().unwrap_or_default().contexts;
        contexts.iter().map(|(name, context)| candidate(name, &context.addresses.join(","))).collect()
    })
}

/// Words that are always the same.
pub fn words(words: &'static [&'static str]) -> ArgValueCandidates {
    ArgValueCandidates::new(move || words.iter().map(CompletionCandidate::new).collect())
}

fn candidate(value: &str, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(value).help((!help.is_empty()).then(|| help.to_owned().into()))
}

/// What the server knows; nothing when it does not answer at once.
fn live<F>(read: F) -> ArgValueCandidates
where
    F: AsyncFn(Client) -> Result<Vec<CompletionCandidate>, orch_client::Error> + Clone + Send + Sync + 'static,
{
    ArgValueCandidates::new(move || ask(&read).unwrap_or_default())
}

fn ask<F>(read: &F) -> Option<Vec<CompletionCandidate>>
where
    F: AsyncFn(Client) -> Result<Vec<CompletionCandidate>, orch_client::Error>,
{
    let client = typed_connection()?.client().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(LIMIT, read(client)).await.ok()?.ok() })
}

/// The connection that the words typed so far say.
fn typed_connection() -> Option<Connection> {
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(words).ok()?;
    let mut connection = Connection::from_arg_matches(&matches).ok()?;
    connection.note_typed(&matches);
    Some(connection)
}
