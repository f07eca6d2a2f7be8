//! The settings of a server: file, environment and flags, in that order of rising precedence.
//!
//! What there is to set is declared in `table`; here values are found, checked, and given out.

mod flags;
mod origin;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use config::{Config, ConfigError, Environment, File, FileFormat, FileSourceFile, Source as _, Value};
use orch_engine::{Ageing, MemoryMarks};

use crate::failure::Failure;
use crate::secret::Secret;
use crate::toml_error;

pub use flags::Flags;
pub use origin::Origin;
pub use table::{Setting, TABLE};

/// How the `config` crate calls the environment.
const ENVIRONMENT: &str = "the environment";

/// A setting's value.
#[derive(Debug, Clone)]
pub struct Found {
    /// As it was written; `None`: nothing says it.
    pub text: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// All settings, found and checked.
#[derive(Debug)]
pub struct Settings(BTreeMap<&'static str, Found>);

impl Settings {
    /// Finds and checks all settings; `named` are flags of their own, which go before `--set`.
    pub fn find(flags: &Flags, named: &[(&str, Option<&String>)]) -> Result<Self, Failure> {
        // A variable that is not Unicode is none of ours.
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::find_in(flags, named, variables.collect())
    }

    fn find_in(
        flags: &Flags,
        named: &[(&str, Option<&String>)],
        variables: Vec<(String, String)>,
    ) -> Result<Self, Failure> {
        let mut typed: BTreeMap<&str, &str> = flags.set.iter().map(|(name, value)| (&**name, &**value)).collect();
        typed.extend(named.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.as_str()))));
        if let Some(name) = typed.keys().find(|name| Setting::find(name).is_none()) {
            return Err(unknown(name, &Origin::Flag));
        }
        let values = layered(flags, &typed, variables)?;
        let mut found: BTreeMap<&'static str, Found> =
            TABLE.iter().map(|setting| (setting.name, Found { text: None, origin: Origin::Default })).collect();
        for (name, value) in values {
            let origin = origin(&name, &value, &typed, flags);
            let Some(setting) = Setting::find(&name) else { return Err(unknown(&name, &origin)) };
            let text = checked(setting, value, &origin)?;
            found.insert(setting.name, Found { text: Some(text), origin });
        }
        Ok(Self(found))
    }

    /// All of them, in the order of the table.
    pub fn all(&self) -> impl Iterator<Item = (&'static Setting, &Found)> {
        TABLE.iter().map(|setting| (setting, &self.0[setting.name]))
    }

    /// The folder of `orch dev`.
    pub fn data(&self) -> PathBuf {
        self.text("data").into()
    }

    /// Where to listen.
    pub fn listen(&self) -> SocketAddr {
        self.text("listen").parse().expect("it is an address because it was checked")
    }

    /// Where others reach this node.
    pub fn advertise(&self) -> Option<String> {
        self.0["advertise"].text.clone()
    }

    /// The address of the database, with its password.
    pub fn database(&self) -> Result<String, Failure> {
        let Some(text) = &self.0["database"].text else {
            return Err(Failure::refused(
                "there is no database",
                "set ORCH_DATABASE, give --database, or name it in the file",
            ));
        };
        match text.parse::<Secret>() {
            Ok(reference) => Ok(reference.read().context("could not read the setting `database`")?),
            Err(_) => Ok(text.clone()),
        }
    }

    /// How long what ended is kept.
    pub fn ageing(&self) -> Ageing {
        let seconds = |name| Duration::from_secs(self.number(name));
        Ageing { job_retention: seconds("job_retention_seconds"), sweep_interval: seconds("sweep_seconds") }
    }

    /// Between which marks of its memory the process refuses new work.
    pub fn memory(&self) -> MemoryMarks {
        let mark = |name: &str| self.0[name].text.as_ref().map(|_| self.number(name));
        MemoryMarks::of(mark("memory_high_mb"), mark("memory_low_mb"))
    }

    /// A number.
    pub fn number(&self, name: &str) -> u64 {
        self.text(name).parse().expect("it is a number because it was checked")
    }

    /// The value of a setting that has a default.
    pub fn text(&self, name: &str) -> &str {
        self.0[name].text.as_deref().expect("it has a value because it has a default")
    }
}

impl Found {
    /// The value as it may be shown.
    pub fn shown(&self, setting: &Setting) -> Option<String> {
        let text = self.text.as_ref()?;
        match setting.kind.is_secret() && table::holds_password(text) {
            true => Some("(holds a password)".to_owned()),
            false => Some(text.clone()),
        }
    }
}

/// What file, environment and flags say, over the defaults.
fn layered(
    flags: &Flags,
    typed: &BTreeMap<&str, &str>,
    variables: Vec<(String, String)>,
) -> Result<BTreeMap<String, Value>, Failure> {
    let path = flags.config.as_ref().filter(|path| !path.as_os_str().is_empty());
    let file = path.map(|path| (path, File::from(path.as_path()).format(FileFormat::Toml)));
    let in_file = file.as_ref().map(|(path, file)| in_file(path, file)).transpose()?.unwrap_or_default();
    let referred = referred(in_file.values().cloned().chain(typed.values().map(|text| (*text).into())), &variables);
    let variables = flags::variables(variables.into_iter(), &referred).into_iter().collect();
    let built = build(file.map(|(_, file)| file), variables, typed).and_then(|built| built.collect());
    let built = built.map_err(|error| anyhow!("could not read the settings: {error}"))?;
    Ok(built.into_iter().filter(|(_, value)| value.kind != config::ValueKind::Nil).collect())
}

/// What the file says, with names that are known.
fn in_file(path: &Path, file: &File<FileSourceFile, FileFormat>) -> Result<config::Map<String, Value>, Failure> {
    let values = file.collect().map_err(|error| match error {
        ConfigError::FileParse { cause, .. } => wrong_file(path, &*cause),
        error => anyhow!("could not read the configuration: {error}"),
    })?;
    match values.keys().find(|name| Setting::find(name).is_none()) {
        Some(name) => Err(unknown(name, &Origin::File(path.to_owned()))),
        None => Ok(values),
    }
}

/// What is wrong with it, without quoting it.
fn wrong_file(path: &Path, cause: &(dyn std::error::Error + 'static)) -> anyhow::Error {
    match (cause.downcast_ref(), std::fs::read_to_string(path)) {
        (Some(error), Ok(text)) => anyhow!(toml_error::tell(path, &text, error)),
        _ => anyhow!("{} is no TOML", path.display()),
    }
}

fn build(
    file: Option<File<FileSourceFile, FileFormat>>,
    variables: config::Map<String, String>,
    typed: &BTreeMap<&str, &str>,
) -> Result<Config, ConfigError> {
    let mut builder = Config::builder();
    for setting in TABLE {
        builder = builder.set_default(setting.name, setting.default)?;
    }
    if let Some(file) = file {
        builder = builder.add_source(file);
    }
    builder = builder.add_source(Environment::with_prefix("ORCH").ignore_empty(true).source(Some(variables)));
    for (name, value) in typed {
        builder = builder.set_override(*name, *value)?;
    }
    builder.build()
}

/// The variables that values refer to: `env:NAME` makes NAME no setting.
fn referred(values: impl Iterator<Item = Value>, variables: &[(String, String)]) -> Vec<String> {
    let texts = values.filter_map(|value| value.into_string().ok());
    let all = texts.chain(variables.iter().map(|(_, value)| value.clone()));
    all.filter_map(|text| match text.parse() {
        Ok(Secret::Env(name)) => Some(name),
        _ => None,
    })
    .collect()
}

fn origin(name: &str, value: &Value, typed: &BTreeMap<&str, &str>, flags: &Flags) -> Origin {
    match value.origin() {
        Some(ENVIRONMENT) => Origin::Env(table::variable(name)),
        Some(_) => Origin::File(flags.config.clone().unwrap_or_default()),
        None if typed.contains_key(name) => Origin::Flag,
        None => Origin::Default,
    }
}

fn unknown(name: &str, origin: &Origin) -> Failure {
    Failure::refused(format!("there is no setting `{name}` ({origin})"), "`orch config show` lists the settings")
}

/// The value as text, when it is what the setting may be.
fn checked(setting: &Setting, value: Value, origin: &Origin) -> Result<String, Failure> {
    let (name, must) = (setting.name, setting.kind.limits());
    let text = value.into_string().unwrap_or_default();
    let shown = if setting.kind.is_secret() { "not what it may be".to_owned() } else { format!("`{text}`") };
    let unit = setting.unit.map(|unit| format!("; it counts {unit}")).unwrap_or_default();
    let hint = format!("{}{unit}", setting.text.trim_end_matches('.'));
    if !setting.kind.accepts(&text) {
        return Err(Failure::refused(format!("`{name}` is {shown} ({origin}); it must {must}"), hint));
    }
    if setting.kind.is_secret() && table::holds_password(&text) && !matches!(origin, Origin::Env(_)) {
        let what = format!("`{name}` holds a password ({origin}), which others may read there");
        return Err(Failure::refused(what, "name it by reference, env:NAME or file:PATH, or set ORCH_DATABASE"));
    }
    Ok(text)
}
