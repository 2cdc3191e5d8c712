//! What the kernel tells of a process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

/// A process on this machine, by its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process(pub(super) u32);

/// What a process has in memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) resident: u64,
    /// The most that was resident since the process began or [`Process::forget_peak`].
    pub(super) peak: u64,
}

impl Process {
    /// The time that its threads, those that have ended included, were running so far.
    pub(super) fn cpu_time(self) -> anyhow::Result<Duration> {
        let stat = self.read("stat")?;
        cpu_time_in(&stat).with_context(|| format!("process {} has another form of stat", self.0))
    }

    pub(super) fn memory(self) -> anyhow::Result<Memory> {
        let status = self.read("status")?;
        memory_in(&status).with_context(|| format!("process {} has no memory", self.0))
    }

    /// Begins to look for a peak anew. A kernel that does not do this leaves the peak of all the time so far.
    pub(super) fn forget_peak(self) {
        if let Err(error) = fs::write(self.file("clear_refs"), "5") {
            tracing::debug!(%error, pid = self.0, "peaks are those since the start");
        }
    }

    fn read(self, name: &str) -> anyhow::Result<String> {
        let file = self.file(name);
        fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}

/// The kernel counts for programs in hundredths of a second, whatever it counts in itself.
const TICK: Duration = Duration::from_millis(10);

fn cpu_time_in(stat: &str) -> Option<Duration> {
    // Behind the name, which may have spaces and parentheses itself.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(TICK * user + TICK * system)
}

fn memory_in(status: &str) -> Option<Memory> {
    Some(Memory { resident: bytes_in(status, "VmRSS:")?, peak: bytes_in(status, "VmHWM:")? })
}

fn bytes_in(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_that_of_programs_and_kernel() {
        let rest = "S 1 7 7 0 -1 4194304 900 0 3 0 250 50 11 12 20 0 9 0 100 200 300";
        for (stat, expected) in [
            (format!("7 (pipeline) {rest}"), Some(3000)),
            (format!("7 (a) b (c)) {rest}"), Some(3000)),
            ("7 (pipeline) S 1 7".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(cpu_time_in(&stat), expected.map(Duration::from_millis), "{stat}");
        }
    }

    #[test]
    fn memory_is_what_is_resident_and_was_at_most() {
        let memory = Memory { resident: 2048, peak: 3 << 20 };
        for (status, expected) in [
            ("Name:\tx\nVmHWM:\t    3072 kB\nVmRSS:\t       2 kB\n", Some(memory)),
            ("Name:\tkthreadd\n", None),
            ("VmHWM:\t 3072 kB\nVmRSS:\t 2 MB\n", None),
        ] {
            assert_eq!(memory_in(status), expected, "{status}");
        }
    }

    #[test]
    fn this_process_is_there() {
        let this = Process(std::process::id());
        let memory = this.memory().unwrap();
        assert!(memory.peak >= memory.resident && memory.resident > 0, "{memory:?}");
        this.cpu_time().unwrap();
        assert!(Process(u32::MAX).memory().is_err());
    }
}
