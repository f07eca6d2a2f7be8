//! Why a command did not do what was asked, what is said about it, and what it exits with.

use std::io;

use orch_client::{Applied, JobOut, JobState, Problem, RunOut};

use crate::exit::Exit;
use crate::report::Report;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The server said no, or did not answer.
    Client(orch_client::Error),
    /// The job ended otherwise than well; it has been printed.
    Unsuccessful(Box<JobOut>),
    /// The run ended otherwise than well; it has been printed.
    RunUnsuccessful(Box<RunOut>),
    /// Not all documents could be written; what became of them has been printed.
    NotApplied(Vec<Applied>),
    /// There is no token to show.
    NoToken,
    /// The server answered that it does not serve; that has been printed.
    NotServing,
    /// What was asked for is refused here, before anything was sent.
    Refused {
        /// What to exit with.
        exit: Exit,
        /// Why.
        what: String,
        /// What to do instead.
        hint: String,
    },
    /// Anything else.
    Other(anyhow::Error),
}

/// What to do without a good token.
const TOKEN_HINT: &str =
    "set ORCH_TOKEN, give --token or --token-file, or use a context; `orch dev` prints one at its start";

impl Failure {
    /// Refuses, and says what to do instead.
    pub fn refused(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { exit: Exit::Error, what: what.into(), hint: hint.into() }
    }

    /// Refuses because something is not there.
    pub fn missing(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { exit: Exit::NotFound, what: what.into(), hint: hint.into() }
    }

    /// There is a token, but it could not be fetched.
    pub fn no_token(error: &anyhow::Error) -> Self {
        Self::Refused { exit: Exit::Auth, what: format!("there is no token: {error:#}"), hint: TOKEN_HINT.to_owned() }
    }

    /// What the command exits with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unsuccessful(_) | Self::RunUnsuccessful(_) => Exit::Unsuccessful,
            Self::Client(orch_client::Error::WaitTimedOut { .. } | orch_client::Error::RunWaitTimedOut { .. }) => {
                Exit::TimedOut
            }
            Self::NotApplied(items) => applied_exit(items),
            Self::NoToken => Exit::Auth,
            Self::Client(error) => error.problem().map_or(Exit::Error, exit_of),
            // `orch … | head` is not an error.
            Self::Other(error) if is_broken_pipe(error) => Exit::Done,
            Self::Refused { exit, .. } => *exit,
            Self::Other(_) | Self::NotServing => Exit::Error,
        }
    }

    /// The same may work in a moment.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_retryable())
    }

    /// What is said about it; nothing where enough has been said.
    pub fn report(&self) -> Option<Report> {
        let exit = self.exit();
        match self {
            Self::Client(error) => Some(client_report(exit, error)),
            Self::Unsuccessful(job) => Some(job_report(exit, job)),
            Self::RunUnsuccessful(run) => Some(run_report(exit, run)),
            Self::NotApplied(items) => Some(applied_report(exit, items)),
            Self::NoToken => Some(Report::new(exit, "there is no token").hint(TOKEN_HINT)),
            Self::NotServing => None,
            Self::Refused { what, hint, .. } => Some(Report::new(exit, what).hint(hint)),
            Self::Other(error) if is_broken_pipe(error) => None,
            Self::Other(error) => Some(Report::new(exit, format!("{error:#}"))),
        }
    }
}

fn exit_of(problem: &Problem) -> Exit {
    match problem.status {
        401 | 403 => Exit::Auth,
        404 => Exit::NotFound,
        409 | 412 | 428 => Exit::Conflict,
        422 if problem.code == "idempotency_mismatch" => Exit::Conflict,
        _ => Exit::Error,
    }
}

fn client_report(exit: Exit, error: &orch_client::Error) -> Report {
    if let Some(problem) = error.problem() {
        return problem_report(exit, problem);
    }
    let mut what = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        what.push_str(": ");
        what.push_str(&cause.to_string());
        source = cause.source();
    }
    let report = Report { retryable: error.is_retryable(), ..Report::new(exit, what) };
    match error {
        orch_client::Error::Transport { .. } => {
            report.hint("is the server running there? --address, ORCH_ADDRESS or the context say where it is")
        }
        orch_client::Error::WaitTimedOut { job, .. } => {
            report.hint(format!("it goes on without us; `orch job wait {job}` waits again"))
        }
        orch_client::Error::RunWaitTimedOut { run, .. } => {
            report.hint(format!("it goes on without us; `orch run wait {run}` waits again"))
        }
        _ => report,
    }
}

fn problem_report(exit: Exit, problem: &Problem) -> Report {
    let what = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let details = problem.errors.iter().map(|error| match error.detail == *what {
        true => format!("the field is `{}`", error.field),
        false => format!("`{}`: {}", error.field, error.detail),
    });
    Report {
        details: details.collect(),
        code: Some(problem.code.clone()),
        status: Some(problem.status),
        request_id: problem.request_id.clone(),
        retryable: problem.retryable,
        hint: problem_hint(problem).map(str::to_owned),
        ..Report::new(exit, what)
    }
}

/// What helps against the problems that something helps against.
fn problem_hint(problem: &Problem) -> Option<&'static str> {
    Some(match problem.code.as_str() {
        "unauthenticated" => TOKEN_HINT,
        "forbidden" => "another token may do it; `orch token create --scope …` makes one",
        "not_found" => "what belongs to another tenant is not found either: is this the right token?",
        "unknown_job_type" => "`orch job-type put NAME` declares it",
        "unknown_source" => "`orch source put NAME --kind KIND` declares it",
        "unknown_project" => "`orch project put NAME` declares it",
        "idempotency_mismatch" => "the key belongs to another content for 24 hours: take another one",
        "version_conflict" => "somebody else was faster: look at it, and try again",
        "overloaded" | "backlog_full" | "not_owner" | "draining" => "--patience waits longer for a server that serves",
        _ => return None,
    })
}

fn job_report(exit: Exit, job: &JobOut) -> Report {
    let why = job.error.as_ref().map(|error| format!(": {}: {}", error.code, error.message));
    let report = Report::new(exit, format!("the job ended {}{}", job.state, why.unwrap_or_default()));
    match job.state {
        JobState::Failed => report.hint(format!("`orch job logs {}` shows what it did", job.id)),
        _ => report,
    }
}

fn run_report(exit: Exit, run: &RunOut) -> Report {
    Report::new(exit, format!("the run ended {}", run.state))
        .hint(format!("`orch run show {}` shows how its steps ended", run.id))
}

/// Somebody else's change is a conflict; what the server could not do is not.
fn applied_exit(items: &[Applied]) -> Exit {
    let conflict = |item: &Applied| item.is_done() || item.code.as_deref() == Some("version_conflict");
    if items.iter().all(conflict) { Exit::Conflict } else { Exit::Error }
}

fn applied_report(exit: Exit, items: &[Applied]) -> Report {
    let left: Vec<&Applied> = items.iter().filter(|item| !item.is_done()).collect();
    let why = |item: &&Applied| match &item.detail {
        Some(detail) => format!("{} {}: {detail}", item.kind, item.name),
        None => format!("{} {}: not tried after that", item.kind, item.name),
    };
    let report = Report::new(exit, format!("{} of {} documents were not written", left.len(), items.len()));
    Report { details: left.iter().map(why).collect(), ..report }
        .hint("what was written stays; the same command compares anew, and writes the others")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl From<orch_client::Error> for Failure {
    fn from(error: orch_client::Error) -> Self {
        Self::Client(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}
