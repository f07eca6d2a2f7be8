//! What is typed, lies in a file, or comes on standard input.

use std::io::Read as _;

use anyhow::Context as _;

use crate::failure::Failure;

/// An argument's text: itself, `@FILE`, or `-` for standard input. `what` names it in errors.
pub fn text(argument: &str, what: &str) -> Result<String, Failure> {
    match argument.strip_prefix('@') {
        Some(file) => Ok(std::fs::read_to_string(file).with_context(|| format!("could not read {what} from {file}"))?),
        None if argument == "-" => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).with_context(|| format!("could not read {what}"))?;
            Ok(text)
        }
        None => Ok(argument.to_owned()),
    }
}
