//! What has happened: the last steps in words, and all of them in one number.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;

use crate::Timestamp;

/// How many steps are kept in words.
const KEPT: usize = 2000;

pub(super) struct Trace {
    began: Timestamp,
    last: VecDeque<String>,
    steps: u64,
    hash: u64,
}

impl Trace {
    pub(super) fn new(began: Timestamp) -> Self {
        Self { began, last: VecDeque::new(), steps: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }

    pub(super) fn note(&mut self, now: Timestamp, who: &str, what: fmt::Arguments<'_>) {
        let mut line = if self.last.len() < KEPT { None } else { self.last.pop_front() }.unwrap_or_default();
        line.clear();
        let millis = now.since(self.began).as_millis();
        // A string takes whatever is written.
        let _ = write!(line, "{:>4}.{:03} s  {who}: {what}", millis / 1000, millis % 1000);
        self.steps += 1;
        // FNV-1a.
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.last.push_back(line);
    }

    /// Tells this history apart from any other.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the last {} of {} steps:", self.last.len(), self.steps)?;
        self.last.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
