//! Rules for SQL: only in the store (and in the checker that reads a ledger for itself), each file with a header.
//! That both dialects have the same statements is the store's own test.

use crate::assert_none;
use crate::tree::{Text, files, names};

const STORE: &str = "crates/orch-store/";

/// True for a line of Rust that holds a statement. Capitals, since identifiers have none.
fn holds_sql(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let after = |first: &str, second: &str| code.find(first).is_some_and(|at| code[at..].contains(second));
    code.contains("INSERT INTO ")
        || code.contains("DELETE FROM ")
        || after("SELECT ", " FROM ")
        || after("UPDATE ", " SET ")
}

fn outside_the_store(file: &Text) -> Vec<String> {
    if file.path.starts_with(STORE)
        || file.path.starts_with("bench/")
        || file.path.starts_with("chaos/src/checker/")
        || file.is_test()
    {
        return Vec::new();
    }
    let hits = file.lines().filter(|(_, line)| holds_sql(line));
    hits.map(|(number, _)| format!("{}:{number}: SQL belongs in {STORE}sql", file.path)).collect()
}

fn header(file: &Text) -> Option<String> {
    let ok = file.text.starts_with("-- ") && file.text.lines().next().is_some_and(|line| line.len() > 10);
    (!ok).then(|| format!("{}: does not open with a comment that says what it does", file.path))
}

/// Migrations are `NNNN_name.sql`, numbered from 0001 without a hole, alike in both dialects.
fn misnumbered(postgres: &[String], sqlite: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    if postgres != sqlite {
        findings.push(format!("postgres has {postgres:?}, sqlite has {sqlite:?}"));
    }
    for (index, name) in postgres.iter().enumerate() {
        if !name.starts_with(&format!("{:04}_", index + 1)) || !name.ends_with(".sql") {
            findings.push(format!("{name}: expected {:04}_name.sql", index + 1));
        }
    }
    findings
}

#[test]
fn sql_stands_only_in_the_store() {
    let planted = Text::planted("crates/orch-server/src/a.rs", "let q = \"SELECT id FROM job\"; // SELECT x FROM y\n");
    assert_eq!(outside_the_store(&planted).len(), 1);
    assert!(
        outside_the_store(&Text::planted("crates/a/src/a.rs", "// SELECT x FROM y\nselect(x).from(y)\n")).is_empty()
    );
    assert!(outside_the_store(&Text::planted("crates/orch-server/tests/a.rs", "\"DELETE FROM job\"")).is_empty());
    assert_none("SQL", &files(&[".rs"]).iter().flat_map(outside_the_store).collect::<Vec<_>>());
}

#[test]
fn every_statement_says_what_it_does() {
    assert!(header(&Text::planted("a.sql", "SELECT 1;\n")).is_some());
    assert!(header(&Text::planted("a.sql", "-- Reads the newest snapshot of a shard.\nSELECT 1;\n")).is_none());
    assert_none("headers", &files(&[".sql"]).iter().filter_map(header).collect::<Vec<_>>());
}

#[test]
fn migrations_are_numbered_alike() {
    let names_of = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(misnumbered(&names_of(&["0001_a.sql", "0002_b.sql"]), &names_of(&["0001_a.sql", "0002_b.sql"])).is_empty());
    assert_eq!(misnumbered(&names_of(&["0001_a.sql"]), &names_of(&["0001_b.sql"])).len(), 1);
    assert_eq!(misnumbered(&names_of(&["0002_a.sql"]), &names_of(&["0002_a.sql"])).len(), 1);
    assert_none("migrations", &misnumbered(&names("migrations/postgres"), &names("migrations/sqlite")));
}
