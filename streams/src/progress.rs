//! How far reading a log has come, to be told every few seconds.

use std::fmt;
use std::time::Duration;

/// How often it is told.
const INTERVAL: Duration = Duration::from_secs(5);

/// What was read since the beginning. Times are the process's uptime.
#[derive(Debug)]
pub(crate) struct Progress {
    began: Duration,
    told: Duration,
    records: u64,
    /// How many offsets were passed: compaction and transactions leave offsets without records.
    passed: u64,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) records: u64,
    pub(crate) records_per_second: u64,
    /// Of all offsets, those that were there at the beginning.
    pub(crate) percent: u64,
    /// None as long as nothing has come.
    pub(crate) seconds_left: Option<u64>,
}

impl Progress {
    pub(crate) fn new(uptime: Duration) -> Self {
        Self { began: uptime, told: uptime, records: 0, passed: 0 }
    }

    /// So many records, and offsets, more.
    pub(crate) fn add(&mut self, records: u64, passed: u64) {
        self.records += records;
        self.passed += passed;
    }

    /// How it stands with so many offsets still to be passed, if it is time to tell.
    pub(crate) fn due(&mut self, left: u64, uptime: Duration) -> Option<Standing> {
        if uptime.saturating_sub(self.told) < INTERVAL {
            return None;
        }
        self.told = uptime;
        Some(self.standing(left, uptime))
    }

    fn standing(&self, left: u64, uptime: Duration) -> Standing {
        let took = u64::try_from(uptime.saturating_sub(self.began).as_millis()).unwrap_or(u64::MAX).max(1);
        let of = |part: u64, whole: u64, times: u64| {
            u64::try_from(u128::from(part) * u128::from(times) / u128::from(whole)).unwrap_or(u64::MAX)
        };
        Standing {
            records: self.records,
            records_per_second: of(self.records, took, 1000),
            percent: of(self.passed, (self.passed + left).max(1), 100),
            seconds_left: (self.passed > 0).then(|| of(left, self.passed, took).div_ceil(1000)),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, records_per_second, percent, seconds_left } = self;
        write!(f, "{percent} % done, {records} records read, {records_per_second} a second, ")?;
        match seconds_left {
            Some(seconds) => write!(f, "about {seconds} s left"),
            None => f.write_str("time left unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_told_every_few_seconds_however_long_each_step_takes() {
        let mut progress = Progress::new(at(100));
        let told: Vec<u64> = (101..=120).filter(|now| progress.due(1, at(*now)).is_some()).collect();
        assert_eq!(told, [105, 110, 115, 120]);
        let told: Vec<u64> =
            [121, 133, 134, 140].into_iter().filter(|now| progress.due(1, at(*now)).is_some()).collect();
        assert_eq!(told, [133, 140]);
    }

    #[test]
    fn rate_and_time_left_follow_from_what_was_read() {
        let mut progress = Progress::new(at(100));
        let nothing = progress.due(1_000, at(106)).unwrap();
        assert_eq!(nothing.to_string(), "0 % done, 0 records read, 0 a second, time left unknown");
        progress.add(1_500_000, 2_000_000);
        progress.add(1_500_000, 2_000_000);
        let third = progress.due(8_000_000, at(112)).unwrap();
        assert_eq!(third.to_string(), "33 % done, 3000000 records read, 250000 a second, about 24 s left");
        progress.add(1, 8_000_000);
        let end = progress.due(0, at(130)).unwrap();
        assert_eq!((end.percent, end.seconds_left), (100, Some(0)));
    }
}
