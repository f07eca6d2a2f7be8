//! What servers are told on their command line, and which variables of the environment are settings.

use std::path::PathBuf;

use super::table::Setting;

/// Settings as flags.
#[derive(Debug, Default, clap::Args)]
pub struct Flags {
    /// The configuration file (TOML). The environment goes before it, and flags before both.
    #[arg(long, env = "ORCH_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Any setting; may be repeated. `orch config show` lists them.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub set: Vec<(String, String)>,
}

/// What begins with `ORCH_` and is no setting: what commands heed, and what the project's own tests and drivers do.
const OTHERS: &[&str] =
    &["ORCH_ADDRESS", "ORCH_TOKEN", "ORCH_TOKEN_FILE", "ORCH_CONTEXT", "ORCH_CONFIG", "ORCH_COMPLETE", "ORCH_PLANT"];
/// Kubernetes makes the last two for a service that is called `orch`.
const OTHER_PREFIXES: &[&str] = &["ORCH_TEST_", "ORCH_SIM_", "ORCH_BENCH_", "ORCH_SERVICE_", "ORCH_PORT"];

/// The variables that are settings, or claim to be: known ones, and those that nobody else knows.
pub fn variables(all: impl Iterator<Item = (String, String)>, referred: &[String]) -> Vec<(String, String)> {
    all.filter(|(name, _)| {
        let known = name.strip_prefix("ORCH_").is_some_and(|rest| Setting::find(&rest.to_ascii_lowercase()).is_some());
        let other = OTHERS.contains(&name.as_str()) || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        known || (name.starts_with("ORCH_") && !other && !referred.contains(name))
    })
    .collect()
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a setting is NAME=VALUE".to_owned()),
    }
}
