//! What makes work harder than it is: an old transaction, jobs that are held in front, dependents, a standing backlog.

use clap::Args;
use serde::Serialize;

/// The stress of a load.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stress {
    /// A transaction that has read history, jobs and ends stays open from before the fill to the end.
    #[arg(long)]
    pub held_transaction: bool,
    /// So many jobs of a paused type, and so many that begin tomorrow, lie in front of the work.
    #[arg(long, default_value_t = 0)]
    pub held: usize,
    /// Every kind of gate is declared for the work, and none holds it: a bucket, breakers, a blackout, quotas, concurrency.
    #[arg(long)]
    pub gates: bool,
    /// Each parent has so many dependents.
    #[arg(long, default_value_t = 0)]
    pub fan: usize,
    /// Jobs wait while `cycle` works, and producers keep their number within a tenth.
    #[arg(long, default_value_t = 0)]
    pub standing: usize,
}

impl Stress {
    /// As it stands in tables.
    pub fn name(&self) -> String {
        let mut parts = Vec::new();
        if self.held_transaction {
            parts.push("held transaction".to_owned());
        }
        if self.gates {
            parts.push("all gates".to_owned());
        }
        for (what, count) in [("held", self.held), ("fan", self.fan), ("standing", self.standing)] {
            if count > 0 {
                parts.push(format!("{what} {count}"));
            }
        }
        if parts.is_empty() { "plain".to_owned() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_without_stress_is_plain() {
        assert_eq!(Stress::default().name(), "plain");
        let stress = Stress { held_transaction: true, held: 5, ..Stress::default() };
        assert_eq!(stress.name(), "held transaction, held 5");
    }
}
