//! How much memory the process has, and when that is too much for new work.
//!
//! Above the high mark whatever makes new work is refused, until the process is below the low mark again: a server that
//! is killed for its memory helps nobody. Claims, heartbeats, reports and reads go on, since they are what makes room.
//! What is measured is the resident set that the kernel counts, as its own limit does; where there is no such figure,
//! nothing is refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use orch_core::refusal::{Code, Refusal};
use orch_dispatch::Command;
use tokio::sync::watch;

use crate::error::Error;

/// How often the process is measured.
const SAMPLE: Duration = Duration::from_millis(250);
/// Bytes of the unit of the marks.
const MIB: u64 = 1 << 20;
/// A mark that nobody set is at so many parts of a hundred of what the process may have.
const HIGH_PERCENT: u64 = 85;
/// The low mark that nobody set is at so many parts of a hundred of the high one.
const LOW_PERCENT: u64 = 90;

/// Between which marks new work is refused; in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryMarks {
    /// Above it new work is refused; 0: never.
    pub high_mb: u64,
    /// Below it new work is taken again.
    pub low_mb: u64,
}

impl MemoryMarks {
    /// The marks that were set; what was not is derived: the high one from the limit of the process's control group or the
    /// machine's memory, the low one from the high one, which it never passes.
    #[must_use]
    pub fn of(high_mb: Option<u64>, low_mb: Option<u64>) -> Self {
        let high_mb = high_mb.unwrap_or_else(|| limit_bytes().map_or(0, |bytes| bytes / MIB * HIGH_PERCENT / 100));
        Self { high_mb, low_mb: low_mb.unwrap_or(high_mb * LOW_PERCENT / 100).min(high_mb) }
    }
}

/// How much memory the process has, and whether it takes new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// What it had when it was measured last, in MiB; `None`: there is no figure.
    pub used_mb: Option<u64>,
    /// The marks.
    pub marks: MemoryMarks,
    /// New work is refused now.
    pub refuses: bool,
}

/// What the handles and the task that measures share.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    marks: MemoryMarks,
    used: AtomicU64,
    refuses: AtomicBool,
}

impl Memory {
    /// Measured once, and from then on until the engine stops.
    pub fn watch(marks: MemoryMarks, stop: watch::Receiver<bool>) -> Arc<Self> {
        let memory = Arc::new(Self { marks, ..Self::default() });
        memory.run_once(resident_bytes());
        tokio::spawn(Arc::clone(&memory).run(stop));
        memory
    }

    async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut clock = tokio::time::interval(SAMPLE);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = clock.tick() => self.run_once(resident_bytes()),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Takes a measurement in.
    fn run_once(&self, bytes: Option<u64>) {
        self.used.store(bytes.unwrap_or(0), Ordering::Relaxed);
        let MemoryMarks { high_mb, low_mb } = self.marks;
        let (Some(bytes), true) = (bytes, high_mb > 0) else { return };
        let refused = self.refuses.load(Ordering::Relaxed);
        let refuses = bytes > if refused { low_mb } else { high_mb } * MIB;
        if refuses != refused {
            self.refuses.store(refuses, Ordering::Relaxed);
            let used_mb = bytes / MIB;
            if refuses {
                tracing::warn!(used_mb, high_mb, "new work is refused: the process has too much memory");
            } else {
                tracing::info!(used_mb, low_mb, "new work is taken again");
            }
        }
    }

    /// Whether new work is taken.
    pub fn takes_new(&self) -> Result<(), Error> {
        if !self.refuses.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (used_mb, MemoryMarks { high_mb, low_mb }) = (self.used.load(Ordering::Relaxed) / MIB, self.marks);
        let detail = format!(
            "the server has {used_mb} MiB of memory, and `memory_high_mb` is {high_mb}: new work is taken again below {low_mb}"
        );
        Err(Error::Refused(Refusal::new(Code::Overloaded, detail)))
    }

    /// Whether a command is taken: one that makes no work always is.
    pub fn takes(&self, command: &Command) -> Result<(), Error> {
        if makes_work(command) { self.takes_new() } else { Ok(()) }
    }

    pub fn found(&self) -> MemoryUse {
        let used_mb = Some(self.used.load(Ordering::Relaxed) / MIB).filter(|used| *used > 0);
        MemoryUse { used_mb, marks: self.marks, refuses: self.refuses.load(Ordering::Relaxed) }
    }
}

/// What a command leaves behind is more than it takes away.
fn makes_work(command: &Command) -> bool {
    matches!(
        command,
        Command::Enqueue { .. }
            | Command::FollowUps { .. }
            | Command::ReplayDeadLetter { .. }
            | Command::CreateTenant(_)
    )
}

/// The resident set of this process.
fn resident_bytes() -> Option<u64> {
    kib_of(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:").map(|kib| kib * 1_024)
}

/// What the process may have: the limit of its control group, or all that the machine has.
fn limit_bytes() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| kib_of(&text, "MemTotal:")).map(|kib| kib * 1_024);
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = groups.iter().find_map(|path| std::fs::read_to_string(Path::new(path)).ok()?.trim().parse().ok());
    // A group without a limit says `max`, or a number beyond all machines.
    [machine, group].into_iter().flatten().min()
}

/// A figure of a file of lines like `VmRSS:      1234 kB`.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(high_mb: u64, low_mb: u64) -> Memory {
        Memory { marks: MemoryMarks { high_mb, low_mb }, ..Memory::default() }
    }

    #[test]
    fn above_the_high_mark_work_is_refused_until_below_the_low_one() {
        let memory = between(100, 80);
        for (mib, refuses) in [(100, false), (101, true), (90, true), (81, true), (80, false), (99, false), (101, true)]
        {
            memory.run_once(Some(mib * MIB));
            assert_eq!(memory.takes_new().is_err(), refuses, "{mib}");
        }
        let error = memory.takes_new().expect_err("it has too much");
        let refusal = error.refusal();
        assert_eq!(refusal.code, Code::Overloaded);
        assert!(
            refusal.detail.contains("101 MiB") && refusal.detail.contains("`memory_high_mb` is 100"),
            "{refusal:?}"
        );
        assert_eq!(error.retry_after_ms(), Some(1_000));
        assert_eq!(memory.found().used_mb, Some(101));
    }

    #[test]
    fn what_makes_room_is_taken_whatever_there_is() {
        let memory = between(1, 1);
        memory.run_once(Some(2 * MIB));
        let tenants = vec![orch_core::TenantNo(2)];
        assert!(memory.takes(&Command::Complete { tenants, completions: Vec::new() }).is_ok());
        assert!(memory.takes(&Command::Tick).is_ok());
        let enqueue = Command::Enqueue { tenant: orch_core::TenantNo(2), jobs: Vec::new(), key: None };
        assert!(memory.takes(&enqueue).is_err());
    }

    #[test]
    fn a_mark_of_nothing_refuses_nothing_and_so_does_a_missing_figure() {
        let off = between(0, 0);
        off.run_once(Some(u64::MAX));
        assert!(off.takes_new().is_ok());
        let blind = between(1, 1);
        blind.run_once(None);
        assert!(blind.takes_new().is_ok() && blind.found().used_mb.is_none());
    }

    #[test]
    fn marks_that_nobody_set_are_derived() {
        assert_eq!(MemoryMarks::of(Some(1_000), None), MemoryMarks { high_mb: 1_000, low_mb: 900 });
        assert_eq!(MemoryMarks::of(Some(100), Some(400)), MemoryMarks { high_mb: 100, low_mb: 100 });
        let derived = MemoryMarks::of(None, None);
        let limit = limit_bytes().map_or(0, |bytes| bytes / MIB);
        assert!(derived.high_mb <= limit && derived.low_mb <= derived.high_mb, "{derived:?} of {limit}");
    }

    #[test]
    fn the_kernels_figures_are_read() {
        let status = "Name:\torch\nVmPeak:\t  90 kB\nVmRSS:\t    1234 kB\n";
        assert_eq!((kib_of(status, "VmRSS:"), kib_of(status, "VmSwap:")), (Some(1_234), None));
    }
}
