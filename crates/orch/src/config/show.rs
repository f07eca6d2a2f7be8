//! `orch config show`: every setting with its value and its origin.

use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, View};
use crate::settings::{Flags, Found, Setting, Settings};

const VIEW: View = View {
    name: "/name",
    columns: &[("NAME", "/name"), ("VALUE", "/value"), ("ORIGIN", "/origin")],
    wide: &[("DEFAULT", "/default"), ("UNIT", "/unit"), ("MUST", "/must"), ("COMMANDS", "/commands")],
};

/// A setting as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    name: &'static str,
    value: Option<String>,
    origin: String,
    default: Option<&'static str>,
    unit: Option<&'static str>,
    must: String,
    commands: &'static [&'static str],
    text: &'static str,
}

/// Shows them, or says which one is wrong.
pub fn run(flags: &Flags, output: &Output) -> Result<(), Failure> {
    let settings = Settings::find(flags, &[])?;
    let shown: Vec<Shown> = settings.all().map(|(setting, found)| shown(setting, found)).collect();
    output.list(&shown.into(), &VIEW)
}

fn shown(setting: &'static Setting, found: &Found) -> Shown {
    Shown {
        name: setting.name,
        value: found.shown(setting),
        origin: found.origin.to_string(),
        default: setting.default,
        unit: setting.unit,
        must: setting.kind.limits(),
        commands: setting.commands,
        text: setting.text,
    }
}
