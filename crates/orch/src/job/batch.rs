//! `orch job submit-batch`: jobs from a file of JSON lines.

use std::path::{Path, PathBuf};

use orch_client::{Client, JobIn, JobOut};

use super::VIEW;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, text};
use crate::progress::Progress;
use crate::rehearsal::told;

/// The jobs to submit.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file, or - for standard input: one job a line, as the API takes it.
    file: PathBuf,
    /// Makes the command safe to repeat for 24 hours, with the same file and the same --batch-size.
    #[arg(long)]
    key: Option<String>,
    /// Jobs of one call; they are accepted together or not at all.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1_000), value_name = "COUNT")]
    batch_size: u16,
}

/// Submits batch after batch; prints the ids of what was accepted, also when a later batch was not.
pub async fn run(args: Args, client: &Client, output: &Output) -> Result<(), Failure> {
    let jobs = read(&args.file)?;
    let progress = Progress::new(jobs.len(), "submitting");
    let mut accepted = Vec::with_capacity(jobs.len());
    let ended = submit(&args, &jobs, client, output, &progress, &mut accepted).await;
    drop(progress);
    if !accepted.is_empty() {
        print(&accepted, output)?;
    }
    if ended.is_err() && output.is_for_people() {
        eprintln!("{} of {} jobs were accepted before this:", accepted.len(), jobs.len());
    }
    ended
}

async fn submit(
    args: &Args,
    jobs: &[JobIn],
    client: &Client,
    output: &Output,
    progress: &Progress,
    accepted: &mut Vec<JobOut>,
) -> Result<(), Failure> {
    for (number, batch) in jobs.chunks(args.batch_size.into()).enumerate() {
        let key = args.key.as_ref().map(|key| format!("{key}-{number}"));
        let made = told(client.jobs().create_batch(batch, key.as_deref()).await, output)?;
        accepted.extend(made.into_iter().flatten());
        progress.advance(batch.len());
    }
    Ok(())
}

fn print(accepted: &[JobOut], output: &Output) -> Result<(), Failure> {
    if output.is_for_people() {
        let ids: Vec<String> = accepted.iter().map(|job| job.id.to_string()).collect();
        return text(&ids.join("\n"));
    }
    output.list(&accepted.to_vec().into(), &VIEW)
}

/// Every line is checked before anything is sent.
fn read(file: &Path) -> Result<Vec<JobIn>, Failure> {
    let argument = if file == Path::new("-") { "-".to_owned() } else { format!("@{}", file.display()) };
    let all = input::text(&argument, "the jobs")?;
    let lines = all.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let jobs = lines.map(|(index, line)| {
        serde_json::from_str(line).map_err(|error| {
            let what = format!("line {} of {} is no job: {error}", index + 1, file.display());
            Failure::refused(what, "nothing was sent; a line is an object as POST /jobs takes it")
        })
    });
    jobs.collect()
}
