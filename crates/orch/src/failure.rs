//! How commands fail: what is printed, and the exit code that scripts branch on.

use std::io::{self, Write as _};
use std::process::ExitCode;

use orch_client::JobOut;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The server said no, or did not answer.
    Client(orch_client::Error),
    /// The job ended otherwise than well; it has been printed.
    Unsuccessful(Box<JobOut>),
    /// There is no token to show.
    NoToken,
    /// The server answered that it does not serve; that has been printed.
    NotServing,
    /// Anything else.
    Other(anyhow::Error),
}

impl Failure {
    /// 1 error, 2 the job was accepted but did not succeed, 3 timed out waiting, 4 credentials, 5 not found, 6 conflict.
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Unsuccessful(_) => 2,
            Self::Client(orch_client::Error::WaitTimedOut { .. }) => 3,
            Self::NoToken => 4,
            Self::Client(error) => match error.status() {
                Some(401 | 403) => 4,
                Some(404) => 5,
                Some(409 | 412 | 428) => 6,
                Some(422) if error.code() == Some("idempotency_mismatch") => 6,
                _ => 1,
            },
            // `orch … | head` is not an error.
            Self::Other(error) if is_broken_pipe(error) => 0,
            Self::Other(_) | Self::NotServing => 1,
        };
        ExitCode::from(code)
    }

    /// Says it on standard error: what, details, and what to do.
    pub fn print(&self) {
        let lines = self.lines();
        let mut err = io::stderr().lock();
        // Nobody is left to be told that standard error is gone.
        let _ = lines.iter().try_for_each(|line| writeln!(err, "{line}"));
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Self::Client(error) => client_lines(error),
            Self::Unsuccessful(job) => {
                let why = job.error.as_ref().map(|error| format!(": {}: {}", error.code, error.message));
                vec![format!("error: the job ended {}{}", job.state, why.unwrap_or_default())]
            }
            Self::NoToken => vec!["error: there is no token".to_owned(), TOKEN_HINT.to_owned()],
            Self::NotServing => Vec::new(),
            Self::Other(error) if is_broken_pipe(error) => Vec::new(),
            Self::Other(error) => vec![format!("error: {error:#}")],
        }
    }
}

const TOKEN_HINT: &str = "hint: set ORCH_TOKEN, or give --token or --token-file; `orch dev` prints one at its start";

fn client_lines(error: &orch_client::Error) -> Vec<String> {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    let Some(problem) = error.problem() else {
        let mut lines = vec![format!("error: {text}")];
        if matches!(error, orch_client::Error::Transport { .. }) {
            lines.push("hint: is the server running there? --address or ORCH_ADDRESS say where it is".to_owned());
        }
        return lines;
    };
    let said = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let mut lines = vec![format!("error: {said}"), format!("code: {} (HTTP {})", problem.code, problem.status)];
    let blamed = problem.errors.iter().map(|error| format!("field: {}: {}", error.field, error.detail));
    lines.extend(blamed);
    lines.extend(problem.request_id.as_ref().map(|id| format!("request: {id}")));
    if problem.status == 401 {
        lines.push(TOKEN_HINT.to_owned());
    }
    lines
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
