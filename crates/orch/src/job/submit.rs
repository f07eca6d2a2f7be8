//! `orch job submit`.

use anyhow::Context as _;
use jiff::Timestamp;
use orch_client::{Client, DependsOn, JobId, JobIn, Priority};
use serde_json::value::RawValue;

use super::{VIEW, WaitLimit, parse_label, wait};
use crate::complete;
use crate::failure::Failure;
use crate::input;
use crate::moment::parse_moment;
use crate::output::Output;

/// The priority classes.
pub const PRIORITIES: &[&str] = &["urgent", "high", "normal", "low", "backfill"];

/// The job to submit.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its type.
    #[arg(add = complete::job_types())]
    job_type: String,
    /// Its payload: JSON, @FILE, or - for standard input.
    #[arg(long, default_value = "{}", value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    payload: String,
    /// A label; may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// urgent, high, normal, low or backfill.
    #[arg(long, add = complete::words(PRIORITIES))]
    priority: Option<String>,
    /// Its source.
    #[arg(long, add = complete::sources())]
    source: Option<String>,
    /// Its project.
    #[arg(long, add = complete::projects())]
    project: Option<String>,
    /// Makes the command safe to repeat for 24 hours.
    #[arg(long)]
    key: Option<String>,
    /// A job to wait for; may be repeated. `:done` waits for any end, not only success.
    #[arg(long = "depends-on", value_name = "JOB[:done]", value_parser = parse_dependency)]
    depends_on: Vec<(JobId, DependsOn)>,
    /// Not before: RFC 3339, or +DURATION.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    not_before: Option<Timestamp>,
    /// Final by then: RFC 3339, or +DURATION.
    #[arg(long, value_parser = parse_moment, value_name = "MOMENT")]
    deadline: Option<Timestamp>,
    /// Jobs with the same key exclude each other as their type says.
    #[arg(long)]
    concurrency_key: Option<String>,
    /// Correlates jobs of one cause.
    #[arg(long)]
    correlation_id: Option<String>,
    /// Wait until it is final. Exits 2 when it did not succeed, 3 when the time was up.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    limit: WaitLimit,
}

/// Submits, and waits if asked to.
pub async fn run(args: Args, client: &Client, output: &Output) -> Result<(), Failure> {
    let payload = payload(&args.payload)?;
    let job = client.jobs().create(&wire(&args, &payload)?, args.key.as_deref()).await?;
    if args.wait {
        return wait(client, &job.id, args.limit.timeout, output).await;
    }
    output.brief(&job, &VIEW, &job.id.to_string())
}

fn wire(args: &Args, payload: &RawValue) -> Result<JobIn, Failure> {
    let mut job = JobIn::new(&args.job_type, payload)?;
    for (key, value) in &args.labels {
        job = job.label(key, value);
    }
    for (parent, on) in &args.depends_on {
        job = job.depends_on(*parent, *on);
    }
    if let Some(priority) = &args.priority {
        job = job.priority(Priority::from(priority.as_str()));
    }
    job = with(job, args.source.as_deref(), JobIn::source);
    job = with(job, args.project.as_deref(), JobIn::project);
    job = with(job, args.concurrency_key.as_deref(), JobIn::concurrency_key);
    job = with(job, args.correlation_id.as_deref(), JobIn::correlation_id);
    job = with(job, args.not_before, JobIn::not_before);
    job = with(job, args.deadline, JobIn::deadline);
    Ok(job)
}

/// With a value that may have been typed or not.
fn with<T>(job: JobIn, value: Option<T>, set: impl Fn(JobIn, T) -> JobIn) -> JobIn {
    match value {
        Some(value) => set(job, value),
        None => job,
    }
}

fn payload(argument: &str) -> Result<Box<RawValue>, Failure> {
    let text = input::text(argument, "the payload")?;
    let payload = RawValue::from_string(text.trim().to_owned());
    Ok(payload.context("the payload is not JSON")?)
}

fn parse_dependency(text: &str) -> Result<(JobId, DependsOn), String> {
    let (id, on) = match text.split_once(':') {
        None => (text, DependsOn::Succeeded),
        Some((id, "succeeded")) => (id, DependsOn::Succeeded),
        Some((id, "done")) => (id, DependsOn::Done),
        Some((_, other)) => return Err(format!("`{other}` is neither `succeeded` nor `done`")),
    };
    Ok((id.parse().map_err(|error: orch_client::IdError| error.to_string())?, on))
}
