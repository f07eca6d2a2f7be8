//! What the figures were measured on.

use std::fs;

use serde::Serialize;

/// The machine, as far as it matters.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The load of the last minute when the run began: what else the machine did.
    pub load_before: f64,
}

impl Machine {
    /// This machine. What cannot be read is left empty.
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let memory_kib: u64 = number(after(&memory, "MemTotal"));
        Self {
            processor: after(&processors, "model name").to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_kib / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: number(&read("/proc/loadavg")),
        }
    }
}

impl Machine {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { processor, processors, memory_mib, kernel, load_before } = self;
        format!("{processor}, {processors} processors, {memory_mib} MiB, Linux {kernel}, load before {load_before:.2}")
    }
}

/// What follows `name` and a colon in the first line that begins so.
fn after<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
}

/// The number that a text begins with.
fn number<T: std::str::FromStr + Default>(text: &str) -> T {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default()
}
