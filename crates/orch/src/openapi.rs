//! `orch openapi`.

use std::io::Write as _;

use crate::failure::Failure;

/// Prints the document.
pub fn run() -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout().lock(), "{}", orch_server::openapi_json().trim_end())?)
}
