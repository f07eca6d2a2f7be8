//! Asking before something is done that cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use orch_client::Client;

use crate::failure::Failure;

/// Whether to ask.
#[derive(Debug, clap::Args)]
pub struct Consent {
    /// Do it without asking; needed where nobody can be asked.
    #[arg(long, short = 'y')]
    yes: bool,
}

impl Consent {
    /// Goes on when this was agreed to. A rehearsal needs no consent.
    pub fn to(&self, what: &str, client: &Client) -> Result<(), Failure> {
        if self.yes || client.is_rehearsing() {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::refused(format!("could not ask whether to {what}"), "--yes does it without asking"));
        }
        let mut err = io::stderr().lock();
        write!(err, "{what}? [y/N] ")?;
        err.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::refused("nothing was done", "answer y, or give --yes")),
        }
    }
}
