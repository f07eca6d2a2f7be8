//! Exit codes, which scripts branch on. Help text and reference say what this table says.

use std::fmt::Write as _;
use std::process::ExitCode;

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Anything that has no code of its own: a wrong command line, no answer, a refused field.
    Error,
    /// The job or the run was accepted, and did not succeed.
    Unsuccessful,
    /// The time for waiting was up.
    TimedOut,
    /// There is no token, or it does not allow this.
    Auth,
    /// There is no such thing, or not for us.
    NotFound,
    /// It is in a state that does not allow this.
    Conflict,
}

impl Exit {
    /// All of them, by code.
    pub const ALL: [Self; 7] =
        [Self::Done, Self::Error, Self::Unsuccessful, Self::TimedOut, Self::Auth, Self::NotFound, Self::Conflict];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Unsuccessful => 2,
            Self::TimedOut => 3,
            Self::Auth => 4,
            Self::NotFound => 5,
            Self::Conflict => 6,
        }
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Error => "error: a wrong command line, no answer, or the server refused",
            Self::Unsuccessful => "accepted, but failed, canceled, or cannot run",
            Self::TimedOut => "timed out waiting",
            Self::Auth => "no token, or one that does not allow this",
            Self::NotFound => "not found, or another tenant's",
            Self::Conflict => "conflict: its state, version or idempotency key does not allow this",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table as the help text shows it.
pub fn help() -> String {
    let mut text = String::from("Exit codes:");
    for exit in Exit::ALL {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {}  {}", exit.code(), exit.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_without_a_hole() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(help().lines().count(), 1 + Exit::ALL.len());
    }
}
