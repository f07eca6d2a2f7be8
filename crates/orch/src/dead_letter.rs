//! `orch dead-letter …`.

use clap::Subcommand;
use orch_client::{Client, DeadLetterQuery, JobId};

use crate::complete;
use crate::consent::Consent;
use crate::failure::Failure;
use crate::job;
use crate::output::{Output, View, Watch, some};
use crate::rehearsal::told;

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
        #[command(flatten)]
        watch: Watch,
    },
    /// Show the one of a job.
    Show {
        /// The job.
        #[arg(add = complete::dead_letters())]
        job: JobId,
        #[command(flatten)]
        watch: Watch,
    },
    /// Make their jobs anew; prints the new ids.
    Replay {
        /// The jobs.
        #[arg(required = true, add = complete::dead_letters())]
        jobs: Vec<JobId>,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Put them away for good; asks before it does.
    Discard {
        /// The jobs.
        #[arg(required = true, add = complete::dead_letters())]
        jobs: Vec<JobId>,
        /// Why; kept in history.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
}

const VIEW: View = View {
    name: "/job",
    columns: &[
        ("JOB", "/job"),
        ("JOB TYPE", "/job_type"),
        ("SOURCE", "/source"),
        ("FAILED AT", "/failed_at"),
        ("CAUSE", "/cause"),
        ("ATTEMPTS", "/attempts"),
        ("SETTLED", "/settlement/how"),
        ("CODE", "/error/code"),
        ("MESSAGE", "/error/message"),
    ],
    wide: &[
        ("SETTLED AT", "/settlement/at"),
        ("SETTLED BY", "/settlement/by"),
        ("BECAME", "/settlement/job"),
        ("REASON", "/settlement/reason"),
    ],
};

/// Runs a command.
pub async fn run(command: Command, client: &Client, output: &Output) -> Result<(), Failure> {
    let letters = client.dead_letters();
    match command {
        Command::List { settled, limit, watch } => {
            let page =
                async |wanted, cursor| letters.list(&DeadLetterQuery { settled, limit: Some(wanted), cursor }).await;
            watch.list(output, &VIEW, async || some(limit, page).await).await
        }
        Command::Show { job, watch } => watch.one(output, &VIEW, async || letters.get(&job).await, |_| false).await,
        Command::Replay { jobs, reason } => {
            for job in &jobs {
                if let Some(made) = told(letters.replay(job, reason.as_deref()).await, output)? {
                    output.brief(&made, &job::VIEW, &made.id.to_string())?;
                }
            }
            Ok(())
        }
        Command::Discard { jobs, reason, consent } => {
            let what = match jobs.as_slice() {
                [job] => format!("discard the dead letter of {job}"),
                jobs => format!("discard {} dead letters", jobs.len()),
            };
            consent.to(&what, client)?;
            for job in &jobs {
                told(letters.discard(job, reason.as_deref()).await, output)?;
            }
            Ok(())
        }
    }
}
