//! Rules for the workspace's members: what each may depend on, and that they take everything from the workspace.

use crate::assert_none;
use crate::tree::{Text, files};

/// Which of our own crates a member may use outside its tests. A member that is not listed fails.
const OWN: &[(&str, &[&str])] = &[
    ("orch-core", &[]),
    ("orch-gates", &["orch-core"]),
    ("orch-graph", &["orch-core"]),
    ("orch-dispatch", &["orch-core", "orch-gates", "orch-graph"]),
    ("orch-store", &["orch-core"]),
    ("orch-bus", &["orch-core"]),
    ("orch-bundle", &["orch-core", "orch-dispatch"]),
    ("orch-engine", &["orch-core", "orch-graph", "orch-dispatch", "orch-store", "orch-bus"]),
    ("orch-testkit", &["orch-core", "orch-graph", "orch-dispatch", "orch-engine"]),
    ("orch-server", &["orch-core", "orch-graph", "orch-dispatch", "orch-engine", "orch-bundle"]),
    ("orch-client", &[]),
    (
        "orch",
        &[
            "orch-core",
            "orch-dispatch",
            "orch-engine",
            "orch-store",
            "orch-bus",
            "orch-bundle",
            "orch-server",
            "orch-client",
        ],
    ),
    ("orch-feeds", &["orch-client"]),
    ("orch-analysis", &["orch-client"]),
    ("orch-bench", &["orch-core", "orch-dispatch", "orch-engine", "orch-store", "orch-server", "orch-client"]),
    ("xtask", &[]),
    ("orch-chaos", &["orch-client", "xtask"]),
];

/// Crates that bring a clock, chance or the outside world, and who may use them.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("sqlx", &["orch-store", "orch-bench", "orch-chaos"]),
    ("rusqlite", &["orch-store", "orch-bench", "orch-chaos"]),
    ("axum", &["orch-server", "orch-feeds", "orch-bench"]),
    ("reqwest", &["orch-client", "orch-feeds", "orch-server", "orch-bench"]),
    ("utoipa", &["orch-server"]),
];

/// What the pure crates must do without.
const IMPURE: &[&str] = &["tokio", "rand", "sqlx", "rusqlite", "axum", "reqwest", "tempfile"];
const PURE: &[&str] = &["orch-core", "orch-gates", "orch-graph", "orch-dispatch"];

/// A dependency of a member.
struct Dependency {
    name: String,
    for_tests: bool,
    line: String,
}

/// A workspace of its own, with what other orchestrators need; none of it gets into ours.
const PEERS: &str = "bench/peers/";

fn manifests() -> Vec<Text> {
    let all = files(&["Cargo.toml"]).into_iter();
    all.filter(|file| file.path.contains('/') && !file.path.starts_with(PEERS)).collect()
}

fn member_name(file: &Text) -> &str {
    let line = file.text.lines().find(|line| line.starts_with("name"));
    line.and_then(|line| line.split('"').nth(1)).unwrap_or_default()
}

fn dependencies(file: &Text) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut section = "";
    for line in file.text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let wanted = section.ends_with("dependencies]");
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if wanted && !name.is_empty() && !name.starts_with('#') {
            let for_tests = section.contains("dev-dependencies");
            found.push(Dependency { name: name.to_owned(), for_tests, line: line.to_owned() });
        }
    }
    found
}

fn own_rules(file: &Text) -> Vec<String> {
    let member = member_name(file);
    let Some((_, allowed)) = OWN.iter().find(|(name, _)| *name == member) else {
        return vec![format!("{}: {member} is not in the table of xtask/tests/tidy/members.rs", file.path)];
    };
    let all = dependencies(file);
    let ours =
        all.iter().filter(|dependency| !dependency.for_tests && OWN.iter().any(|(name, _)| *name == dependency.name));
    let wrong = ours.filter(|dependency| !allowed.contains(&dependency.name.as_str()));
    wrong.map(|dependency| format!("{}: {member} may not depend on {}", file.path, dependency.name)).collect()
}

fn outside_rules(file: &Text) -> Vec<String> {
    let member = member_name(file);
    let all = dependencies(file);
    let used = all.iter().filter(|dependency| !dependency.for_tests);
    let wrong = used.filter(|dependency| {
        let reserved = OUTSIDE.iter().any(|(name, users)| *name == dependency.name && !users.contains(&member));
        reserved || (PURE.contains(&member) && IMPURE.contains(&dependency.name.as_str()))
    });
    wrong.map(|dependency| format!("{}: {member} may not depend on {}", file.path, dependency.name)).collect()
}

fn inherits(file: &Text) -> Vec<String> {
    let all = dependencies(file);
    let wrong = all.iter().filter(|dependency| dependency.line != format!("{}.workspace = true", dependency.name));
    let mut findings: Vec<String> =
        wrong.map(|dependency| format!("{}: write `{}.workspace = true`", file.path, dependency.name)).collect();
    if !file.text.contains("[lints]\nworkspace = true") {
        findings.push(format!("{}: does not take the workspace's lints", file.path));
    }
    findings
}

fn planted(name: &str, dependencies: &str) -> Text {
    let text = format!("[package]\nname = \"{name}\"\n\n[lints]\nworkspace = true\n\n[dependencies]\n{dependencies}\n");
    Text::planted(&format!("crates/{name}/Cargo.toml"), &text)
}

#[test]
fn siblings_do_not_see_each_other() {
    assert_eq!(own_rules(&planted("orch-store", "orch-dispatch.workspace = true")).len(), 1);
    assert_eq!(own_rules(&planted("orch-core", "orch-testkit.workspace = true")).len(), 1);
    assert_eq!(own_rules(&planted("orch-new", "")).len(), 1);
    let for_tests = "serde.workspace = true\n\n[dev-dependencies]\norch-testkit.workspace = true";
    assert!(own_rules(&planted("orch-store", for_tests)).is_empty());
    assert_none("own crates", &manifests().iter().flat_map(own_rules).collect::<Vec<_>>());
}

#[test]
fn the_outside_world_stays_at_the_rim() {
    assert_eq!(outside_rules(&planted("orch-dispatch", "tokio.workspace = true")).len(), 1);
    assert_eq!(outside_rules(&planted("orch-engine", "sqlx.workspace = true")).len(), 1);
    assert!(outside_rules(&planted("orch-store", "sqlx.workspace = true")).is_empty());
    assert_none("outside crates", &manifests().iter().flat_map(outside_rules).collect::<Vec<_>>());
}

#[test]
fn members_take_dependencies_and_lints_from_the_workspace() {
    assert_eq!(inherits(&planted("orch-core", "serde = { version = \"1\" }")).len(), 1);
    assert!(inherits(&planted("orch-core", "serde.workspace = true")).is_empty());
    assert_none("inheritance", &manifests().iter().flat_map(inherits).collect::<Vec<_>>());
}
