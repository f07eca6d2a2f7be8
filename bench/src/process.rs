//! CPU time and written bytes of processes, from `/proc`: so on Linux alone.
//! Ticks are 10 ms there, far below the length of a measurement.

use std::fs;

use anyhow::{Context, Result};

const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds of this process.
///
/// # Errors
/// When `/proc` is not as expected.
pub fn own_cpu() -> Result<f64> {
    Ok(Times::read("self")?.own)
}

/// CPU seconds of another process.
///
/// # Errors
/// When there is no such process.
pub fn cpu(pid: u32) -> Result<f64> {
    Ok(Times::read(&pid.to_string())?.own)
}

/// CPU seconds of a process, of its children that live and of those that it has reaped.
///
/// # Errors
/// When there is no such process.
pub fn family_cpu(parent: u32) -> Result<f64> {
    let own = Times::read(&parent.to_string())?;
    let mut total = own.own + own.reaped;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        // A process may end between the listing and the reading.
        if let Ok(times) = Times::read(pid)
            && times.parent == parent
        {
            total += times.own;
        }
    }
    Ok(total)
}

/// The parent of a process.
///
/// # Errors
/// When there is no such process.
pub fn parent(pid: u32) -> Result<u32> {
    Ok(Times::read(&pid.to_string())?.parent)
}

/// Bytes that a process (`None`: this one) has caused to be written to storage.
///
/// # Errors
/// When there is no such process, or it is another user's.
pub fn written_bytes(pid: Option<u32>) -> Result<f64> {
    let name = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let text = fs::read_to_string(format!("/proc/{name}/io"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.context("a process's io names write_bytes")?.trim().parse()?)
}

/// The memory that a process (`None`: this one) holds, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn memory_bytes(pid: Option<u32>) -> Result<f64> {
    status_bytes(pid, "VmRSS:")
}

/// The most memory that a process (`None`: this one) has held at once, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn peak_memory_bytes(pid: Option<u32>) -> Result<f64> {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: Option<u32>, name: &str) -> Result<f64> {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("a process's status names its memory")?;
    Ok(kib.trim().parse::<f64>()? * 1024.0)
}

/// Lets the peak of this process's memory begin anew.
///
/// # Errors
/// When the kernel does not allow it.
pub fn reset_peak_memory() -> Result<()> {
    Ok(fs::write("/proc/self/clear_refs", "5")?)
}

struct Times {
    parent: u32,
    own: f64,
    reaped: f64,
}

impl Times {
    fn read(pid: &str) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The command may hold blanks; what follows its closing parenthesis does not.
        let (_, rest) = text.rsplit_once(')').context("a process state has a command")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks =
            |index: usize| -> Result<f64> { Ok(fields.get(index).context("a process state is short")?.parse()?) };
        Ok(Self {
            parent: fields.get(1).context("a process state is short")?.parse()?,
            own: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
            reaped: (ticks(13)? + ticks(14)?) / TICKS_PER_SECOND,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_measured_and_has_a_parent() {
        assert!(own_cpu().unwrap() >= 0.0);
        let own = std::process::id();
        assert!(cpu(own).unwrap() <= family_cpu(own).unwrap());
        assert!(parent(own).unwrap() > 0);
        assert!(peak_memory_bytes(None).unwrap() > 100_000.0);
    }
}
