//! Where PostgreSQL's server programs are, and how to get them.
//!
//! Installing is only tried as root with apt-get, and is said aloud; elsewhere the answer is what to do.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::apt;
use crate::process::capture;

/// The oldest major version that the ledger supports.
const MAJOR_MIN: u32 = 15;

/// Debian's own switch against the cluster that its package would start.
const NO_DEFAULT_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/orch-no-default-cluster.conf";

/// A folder with `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binaries {
    /// Major version.
    pub major: u32,
    /// Where the programs are.
    pub folder: PathBuf,
}

/// Why there is no PostgreSQL, and what would help.
#[derive(Debug)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

/// The newest PostgreSQL that is recent enough.
pub fn find() -> Option<Binaries> {
    let packaged =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    packaged.chain(on_path.into_iter().flatten()).filter_map(|folder| inspect(&folder)).max()
}

/// Finds PostgreSQL, or installs it where that is possible without asking.
pub fn find_or_install() -> Result<Binaries> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if !apt::possible()? {
        let text = format!(
            "PostgreSQL {MAJOR_MIN} or newer is not installed; install its server package (initdb and postgres), \
             or set ORCH_TEST_POSTGRES_URL"
        );
        return Err(Missing(text).into());
    }
    install()?;
    find().with_context(|| format!("the installed PostgreSQL is older than {MAJOR_MIN}"))
}

fn install() -> Result<()> {
    let switch = Path::new(NO_DEFAULT_CLUSTER);
    if let Some(folder) = switch.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(switch, "create_main_cluster = false\n")?;
    let installed = apt::install(&["postgresql"]);
    fs::remove_file(switch)?;
    installed
}

fn inspect(folder: &Path) -> Option<Binaries> {
    // Through links: the folder of the real programs has the whole set.
    let server = fs::canonicalize(folder.join("postgres")).ok()?;
    let folder = server.parent()?.to_owned();
    if !folder.join("initdb").exists() {
        return None;
    }
    let major = major_of(&capture(Command::new(server).arg("--version")).ok()?)?;
    (major >= MAJOR_MIN).then_some(Binaries { major, folder })
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once(") ")?.1;
    number.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_of;

    #[test]
    fn the_major_version_is_read_from_what_the_server_prints() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18devel"), Some(18));
        assert_eq!(major_of("postgres (PostgreSQL) 17.2"), Some(17));
        assert_eq!(major_of("something else"), None);
    }
}
