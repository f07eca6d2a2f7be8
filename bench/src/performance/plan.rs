//! Which commands make the rows of the speed table, and how long they last.

use crate::settings::Database;

/// The driver's name, with which each command begins.
pub const NAME: &str = "orch-bench";

/// How large a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The table as it stands: most of a night.
    Full,
    /// At most 90 minutes.
    Quick,
    /// Minutes; the figures mean nothing.
    Smoke,
}

impl Size {
    /// Its option.
    pub fn option(self) -> &'static str {
        match self {
            Self::Full => "--full",
            Self::Quick => "--quick",
            Self::Smoke => "--smoke",
        }
    }
}

// Each begins with the command and its ledger, since `--ledger` of the report chooses among them.
const FULL: &[&str] = &[
    "http enqueue work --ledger postgres --batches 500",
    "engine work --ledger postgres",
    "engine cycle --ledger postgres --seconds 600 --checkpoint",
    "engine cycle --ledger sqlite --seconds 120",
    "engine cycle --ledger sqlite --seconds 120 --no-keys",
    "latency --ledger postgres --seconds 60",
    "latency --ledger sqlite --seconds 60",
    "degradation backlog --ledger postgres",
    "degradation transaction --ledger postgres --pairs 2",
    "degradation held --ledger postgres",
    "memory --ledger postgres",
    "lists --ledger postgres --calls 1000",
    "lists --ledger sqlite --calls 1000",
    "flood --ledger postgres",
    "flood --ledger sqlite",
    "failover --ledger postgres",
    "graphs --ledger postgres",
    "graphs --ledger sqlite",
    "backfill --ledger postgres",
    "backfill --ledger sqlite",
    "simulation --ledger postgres",
    "simulation --ledger sqlite",
];

const QUICK: &[&str] = &[
    "http enqueue work --ledger postgres --batches 500",
    "engine work --ledger postgres",
    "engine cycle --ledger postgres --seconds 300 --checkpoint",
    "engine cycle --ledger sqlite --seconds 30",
    "engine cycle --ledger sqlite --seconds 30 --no-keys",
    "latency --ledger postgres --seconds 10",
    "latency --ledger sqlite --seconds 10",
    "degradation backlog --ledger postgres --quick",
    "degradation transaction --ledger postgres --quick --pairs 2",
    "degradation held --ledger postgres --quick",
    "memory --ledger postgres --quick",
    "lists --ledger postgres --quick",
    "lists --ledger sqlite --quick",
    "flood --ledger postgres --quick",
    "flood --ledger sqlite --quick",
    "failover --ledger postgres --quick",
    "graphs --ledger postgres --quick",
    "graphs --ledger sqlite --quick",
    "backfill --ledger postgres --quick",
    "backfill --ledger sqlite --quick",
    "simulation --ledger postgres --quick",
    "simulation --ledger sqlite --quick",
];

const SMOKE: &[&str] = &[
    "http enqueue work --ledger postgres --batches 500 --seconds 2 --backlog 20000 --tenants 1,3",
    "engine work --ledger postgres --backlog 20000 --tenants 1,3",
    "engine cycle --ledger postgres --seconds 3 --checkpoint --tenants 1,3",
    "engine cycle --ledger sqlite --seconds 3 --tenants 1",
    "engine cycle --ledger sqlite --seconds 3 --no-keys --tenants 1",
    "latency --ledger postgres --seconds 4 --face http",
    "latency --ledger sqlite --seconds 4 --face http",
    "degradation backlog --ledger postgres --pairs 1 --seconds 3 --backlog 50000",
    "degradation transaction --ledger postgres --pairs 1 --seconds 3",
    "degradation held --ledger postgres --pairs 1 --seconds 3 --held 5000",
    "memory --ledger postgres --waiting 20000 --leases 1000",
    "lists --ledger postgres --finished 30000 --calls 20",
    "lists --ledger sqlite --finished 30000 --calls 20",
    "flood --ledger postgres --tenants 20 --seconds 3",
    "flood --ledger sqlite --tenants 20 --seconds 3",
    "failover --ledger postgres --kills 1 --pairs 1 --jobs 10000",
    "graphs --ledger postgres --quick --steps 100,300 --shape fan",
    "backfill --ledger postgres --quick --seconds 3",
    "simulation --ledger sqlite --trials 2",
];

/// The commands of a report, in order.
pub fn commands(size: Size, only: Option<Database>) -> Vec<String> {
    let all = match size {
        Size::Full => FULL,
        Size::Quick => QUICK,
        Size::Smoke => SMOKE,
    };
    let wanted = |command: &&&str| only.is_none_or(|one| command.contains(&format!("--ledger {}", one.name())));
    all.iter().filter(wanted).map(|command| format!("{NAME} {command}")).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::program::Program;

    #[test]
    fn every_command_is_one_of_the_drivers() {
        for size in [Size::Full, Size::Quick, Size::Smoke] {
            for command in commands(size, None) {
                assert!(Program::try_parse_from(command.split(' ')).is_ok(), "{command}");
                assert!(command.contains("--ledger "), "{command}");
            }
        }
        assert!(commands(Size::Quick, Some(Database::Sqlite)).len() < commands(Size::Quick, None).len());
    }
}
