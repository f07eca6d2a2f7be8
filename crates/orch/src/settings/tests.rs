//! Precedence, refusals by name, and the page of the reference.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::*;

fn found(file: &str, variables: &[(&str, &str)], typed: &[(&str, &str)]) -> Result<Settings, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orch.toml");
    fs::write(&path, file).unwrap();
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Settings::find_in(&Flags { config: Some(path), set: pairs(typed) }, &[], pairs(variables))
}

fn refusal(file: &str, variables: &[(&str, &str)], typed: &[(&str, &str)]) -> String {
    match found(file, variables, typed) {
        Err(Failure::Refused { what, .. }) => what,
        Err(failure) => format!("{failure:?}"),
        Ok(settings) => panic!("they were taken: {settings:?}"),
    }
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let file = "node_lease_ms = 2000\nlog = \"debug\"\nlisten = \"127.0.0.1:1\"\n";
    let environment = [("ORCH_NODE_LEASE_MS", "3000"), ("ORCH_LISTEN", "127.0.0.1:2"), ("ORCH_DATA", "")];
    let settings = found(file, &environment, &[("listen", "127.0.0.1:3")]).unwrap();
    let told = |name: &str| {
        let found = &settings.0[name];
        (found.text.clone().unwrap_or_default(), found.origin.to_string().split(' ').next().unwrap().to_owned())
    };
    let is = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(told("log"), is("debug", "file"));
    assert_eq!(told("node_lease_ms"), is("3000", "env"));
    assert_eq!(told("listen"), is("127.0.0.1:3", "flag"));
    assert_eq!(told("data"), is("orch-data", "default"));
    assert_eq!(told("advertise"), is("", "default"));
}

#[test]
fn what_is_unknown_is_refused_by_name() {
    assert!(refusal("lease = 1\n", &[], &[]).starts_with("there is no setting `lease` (file "));
    assert!(refusal("[store]\nx = 1\n", &[], &[]).starts_with("there is no setting `store` (file "));
    assert_eq!(refusal("", &[("ORCH_LISTN", "x")], &[]), "there is no setting `listn` (env ORCH_LISTN)");
    assert_eq!(refusal("", &[], &[("a.b", "x")]), "there is no setting `a.b` (flag)");
    assert!(refusal("listen = \n", &[], &[]).contains("is wrong, line 1"));
    let others = [
        ("ORCH_TOKEN", "t"),
        ("ORCH_TEST_POSTGRES_URL", "x"),
        ("ORCH_PORT_7400_TCP", "x"),
        ("ORCH_DB_SERVICE_HOST", "x"),
    ];
    assert!(found("", &others, &[]).is_ok());
    assert!(found("database = \"env:ORCH_SECRET\"\n", &[("ORCH_SECRET", "s")], &[]).is_ok(), "it is referred to");
}

#[test]
fn what_is_wrong_is_refused_by_name_with_its_limits() {
    let wrong = refusal("", &[("ORCH_NODE_LEASE_MS", "999")], &[]);
    assert_eq!(wrong, "`node_lease_ms` is `999` (env ORCH_NODE_LEASE_MS); it must be a number from 1000 to 60000");
    for (name, value) in [("node_lease_ms", "1000"), ("node_lease_ms", "60000"), ("log_format", "json")] {
        assert!(found("", &[], &[(name, value)]).is_ok(), "{name} {value}");
    }
    let values = [
        ("node_lease_ms", "60001"),
        ("node_lease_ms", "1e4"),
        ("listen", "7400"),
        ("advertise", "here"),
        ("log_format", "xml"),
        ("log", "=="),
        ("data", ""),
        ("database", "mysql://x"),
    ];
    for (name, value) in values {
        assert!(refusal("", &[], &[(name, value)]).contains(&format!("`{name}`")), "{name} {value}");
    }
}

#[test]
fn secrets_are_named_by_reference_and_not_shown() {
    let with_password = "postgres://orch:s3cret@host/orch";
    let file = format!("database = \"{with_password}\"\n");
    for refused in [refusal(&file, &[], &[]), refusal("", &[], &[("database", with_password)])] {
        assert!(refused.contains("`database` holds a password") && !refused.contains("s3cret"), "{refused}");
    }
    for file in ["database = \"s3cret\"\n", "database = postgres://orch:s3cret@host/orch\n"] {
        let refused = refusal(file, &[], &[]);
        assert!(refused.contains("database") != refused.contains("line 1"), "{refused}");
        assert!(!refused.contains("s3cret"), "{refused}");
    }
    let settings = found("", &[("ORCH_DATABASE", with_password)], &[]).unwrap();
    assert_eq!(settings.database().unwrap(), with_password);
    let shown = settings.0["database"].shown(Setting::find("database").unwrap()).unwrap();
    assert!(!shown.contains("s3cret"), "{shown}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("database"), format!("{with_password}\n")).unwrap();
    let reference = format!("file:{}", folder.path().join("database").display());
    let settings = found("", &[], &[("database", &reference)]).unwrap();
    assert_eq!(settings.database().unwrap(), with_password);
}

#[test]
fn defaults_are_what_the_settings_may_be() {
    for setting in TABLE {
        assert!(setting.default.is_none_or(|default| setting.kind.accepts(default)), "{}", setting.name);
        assert!(setting.text.ends_with('.'), "{}", setting.name);
    }
    for (name, limit) in [
        ("node_lease_ms", orch_core::limits::NODE_LEASE_MS),
        ("job_retention_seconds", orch_core::limits::JOB_RETENTION_SECONDS),
        ("sweep_seconds", orch_core::limits::SWEEP_SECONDS),
    ] {
        assert_eq!(Setting::find(name).unwrap().default, Some(limit.to_string().as_str()), "{name}");
    }
}

#[test]
fn the_page_of_settings_is_the_table() {
    let again = "UPDATE=1 cargo test -p orch --bin orch the_page_of_settings";
    let mut page = format!(
        "<!-- @generated from `crates/orch/src/settings/table.rs` by `{again}`; do not edit. -->\n\n\
         # Settings of a server\n\n\
         `orch dev`, `orch serve` and `orch migrate` take their settings from a file (`--config FILE` or `ORCH_CONFIG`, TOML), from the environment, and from flags (`--set NAME=VALUE`, or a flag of its own), in that order of rising precedence.\n\
         `orch config show` prints each with its value and where that comes from.\n\
         A setting that is not known, or not what it may be, is refused at the start by its name.\n\
         Secrets are named by reference: `env:NAME` is a variable of the environment, `file:PATH` a file.\n\n\
         | setting | environment | default | unit | must | heeded by | what it decides |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for setting in TABLE {
        let default = setting.default.map_or("–".to_owned(), |default| format!("`{default}`"));
        let (unit, must) = (setting.unit.unwrap_or("–"), setting.kind.limits());
        let commands: Vec<String> = setting.commands.iter().map(|command| format!("`orch {command}`")).collect();
        let row = format!(
            "| `{}` | `{}` | {default} | {unit} | {must} | {} | {} |",
            setting.name,
            table::variable(setting.name),
            commands.join(", "),
            setting.text
        );
        writeln!(page, "{row}").unwrap();
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/config.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == page, "docs/reference/config.md is old; {again}");
}
