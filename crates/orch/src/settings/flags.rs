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
const OTHER_PREFIXES: &[&str] = &["ORCH_TEST_", "ORCH_SIM_", "ORCH_BENCH_"];
/// What Kubernetes makes for services whose names begin with `orch`.
const OTHER_PARTS: &[&str] = &["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"];

/// The variables that are settings, or claim to be: known ones, and those that nobody else knows.
pub fn variables(all: impl Iterator<Item = (String, String)>, referred: &[String]) -> Vec<(String, String)> {
    all.filter(|(name, _)| {
        let known = name.strip_prefix("ORCH_").is_some_and(|rest| Setting::find(&rest.to_ascii_lowercase()).is_some());
        known || (name.starts_with("ORCH_") && !is_others(name) && !referred.contains(name))
    })
    .collect()
}

fn is_others(name: &str) -> bool {
    OTHERS.contains(&name)
        || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || OTHER_PARTS.iter().any(|part| name.contains(part))
        || name.ends_with("_PORT")
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a setting is NAME=VALUE".to_owned()),
    }
}
