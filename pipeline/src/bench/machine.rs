//! Where it was measured: figures mean nothing without.

use std::fmt;
use std::fs;
use std::thread;

use serde::Serialize;

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_mb: u64,
}

impl Machine {
    /// This one.
    pub(super) fn this() -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        Self {
            cpu: value_of(&read("/proc/cpuinfo"), "model name").unwrap_or("unknown CPU").to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mb: megabytes(&read("/proc/meminfo")).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores, {} MB", self.cpu, self.cores, self.memory_mb)
    }
}

fn megabytes(meminfo: &str) -> Option<u64> {
    let kilobytes: u64 = value_of(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024)
}

/// The first value of that name, of lines such as `name : value`.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    values
        .map(|(key, value)| (key.trim(), value.trim()))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_name() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 167\nmodel name\t: A CPU: fast\n\nmodel name\t: other\n";
        assert_eq!(value_of(cpuinfo, "model name"), Some("A CPU: fast"));
        assert_eq!(value_of(cpuinfo, "Model"), None);
        assert_eq!(megabytes("MemTotal:       24684084 kB\nMemFree: 1 kB\n"), Some(24105));
        assert_eq!(megabytes("MemFree: 1 kB\n"), None);
    }
}
