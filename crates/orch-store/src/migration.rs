//! The migrations of both databases, built in, and whether a ledger's are the ones that this build knows.
//!
//! Running them is the databases' own affair.

use orch_core::port::StoreError;

/// One migration.
pub struct Migration {
    /// Its number, from 1.
    pub version: i32,
    /// Its name, without the number.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

impl Migration {
    /// `file` is its four-digit number and its name.
    const fn new(file: &'static str, sql: &'static str) -> Self {
        let (number, name) = file.split_at(4);
        let (mut version, mut digits) = (0, number.as_bytes());
        while let [digit, rest @ ..] = digits {
            version = version * 10 + (*digit - b'0') as i32;
            digits = rest;
        }
        Self { version, name: name.split_at(1).1, sql }
    }
}

macro_rules! migrations {
    ($dialect:literal: $($file:literal),* $(,)?) => {
        &[$(Migration::new($file, include_str!(concat!("../../../migrations/", $dialect, "/", $file, ".sql")))),*]
    };
    ($dialect:literal) => {
        migrations!(
            $dialect: "0001_ownership", "0002_history", "0003_jobs", "0004_declared", "0005_attempts", "0006_access",
            "0007_token_page", "0008_replicas", "0009_ageing", "0010_two_appends", "0011_firings", "0012_runs",
            "0013_backfills",
        )
    };
}

/// For PostgreSQL.
pub const POSTGRES: &[Migration] = migrations!("postgres");

/// For SQLite.
pub const SQLITE: &[Migration] = migrations!("sqlite");

/// The migrations that are still to be applied.
///
/// # Errors
/// `Refused` by name when the ledger has one that this build does not know.
pub fn open<'a>(known: &'a [Migration], applied: &[(i32, String)]) -> Result<&'a [Migration], StoreError> {
    for (version, name) in applied {
        let at = usize::try_from(version - 1).unwrap_or(usize::MAX);
        if known.get(at).is_none_or(|migration| migration.name != name) {
            let newest = known.last().map_or(0, |migration| migration.version);
            return Err(StoreError::Refused(format!(
                "its schema has migration {version:04} `{name}`, and this build knows up to {newest:04}; use the newer build"
            )));
        }
    }
    Ok(&known[applied.len()..])
}

/// Accepts a ledger only when nothing is to be applied.
///
/// # Errors
/// `Refused` by name when it is older or newer than this build.
pub fn check(known: &[Migration], applied: &[(i32, String)]) -> Result<(), StoreError> {
    match open(known, applied)?.first() {
        None => Ok(()),
        Some(next) => Err(StoreError::Refused(format!(
            "its schema lacks migration {:04} `{}`; run `orch migrate`",
            next.version, next.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(known: &[Migration]) -> Vec<(i32, String)> {
        known.iter().map(|migration| (migration.version, migration.name.to_owned())).collect()
    }

    #[test]
    fn both_databases_have_the_same_migrations_numbered_from_one() {
        assert_eq!(names(POSTGRES), names(SQLITE));
        assert!(names(POSTGRES).iter().zip(1..).all(|((version, _), expected)| *version == expected));
    }

    #[test]
    fn a_newer_schema_is_refused_by_name_and_an_older_one_asks_for_its_migration() {
        let mut applied = names(SQLITE);
        check(SQLITE, &applied).unwrap();
        applied.push((applied.len() as i32 + 1, "tomorrow".to_owned()));
        assert!(open(SQLITE, &applied).err().unwrap().to_string().contains("`tomorrow`"));
        let older = &names(SQLITE)[..2];
        assert!(check(SQLITE, older).unwrap_err().to_string().contains("0003 `jobs`"));
        assert_eq!(open(SQLITE, older).unwrap().len(), SQLITE.len() - 2);
    }
}
