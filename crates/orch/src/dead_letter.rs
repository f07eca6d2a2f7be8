//! `orch dead-letter …`.

use clap::Subcommand;
use orch_client::{Client, DeadLetterQuery, JobId};

use crate::failure::Failure;
use crate::output::{Column, Output};

/// Items of a page that are asked for.
const PAGE: usize = 200;

/// Commands about dead letters.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List dead letters, newest first.
    List {
        /// Settled ones too.
        #[arg(long)]
        settled: bool,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show the one of a job.
    Show {
        /// The job.
        job: JobId,
    },
    /// Make its job anew.
    Replay {
        /// The job.
        job: JobId,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put it away.
    Discard {
        /// The job.
        job: JobId,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
}

const COLUMNS: &[Column] = &[
    ("JOB", "/job"),
    ("JOB TYPE", "/job_type"),
    ("SOURCE", "/source"),
    ("FAILED AT", "/failed_at"),
    ("CAUSE", "/cause"),
    ("ATTEMPTS", "/attempts"),
    ("SETTLED", "/settlement/how"),
    ("CODE", "/error/code"),
    ("MESSAGE", "/error/message"),
];

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let letters = client.dead_letters();
    match command {
        Command::List { settled, limit } => list(client, output, settled, limit).await,
        Command::Show { job } => output.one(&letters.get(&job).await?),
        Command::Replay { job, reason } => {
            let made = letters.replay(&job, reason.as_deref()).await?;
            output.brief(&made, &made.id.to_string())
        }
        Command::Discard { job, reason } => Ok(letters.discard(&job, reason.as_deref()).await?),
    }
}

async fn list(client: &Client, output: &Output, settled: bool, limit: usize) -> Result<(), Failure> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let wanted = u32::try_from((limit - items.len()).min(PAGE)).ok();
        let page = client.dead_letters().list(&DeadLetterQuery { settled, limit: wanted, cursor }).await?;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() || items.len() >= limit {
            output.note_more(cursor.is_some());
            return output.list(&items, COLUMNS);
        }
    }
}
