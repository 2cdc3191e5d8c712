//! How soon a worker commits once its input is drained.
//!
//! A transaction costs the broker much the same however little is in it. So it is not committed at once where there
//! are many, or where there will be more to put into it. Times are by the process's uptime: no clock is set back.

use std::collections::VecDeque;
use std::time::Duration;

/// Behind a transaction of so many records there will be more,
const LARGE: usize = 1_000;
/// and the next one waits for it, so long.
const LINGER: Duration = Duration::from_millis(30);
/// So many commits take place at once
const AT_ONCE: usize = 4;
/// in this time: beyond that rate, to wait for a little more costs less than that all wait for a broker which is busy
/// with small transactions.
const IN_TIME: Duration = Duration::from_millis(32);

/// What the last commits of a worker say about the next one.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    follows_large: bool,
    recent: VecDeque<Duration>,
}

impl Pace {
    /// A transaction with so many records was committed at `now`.
    pub(crate) fn committed(&mut self, records: usize, now: Duration) {
        self.follows_large = records >= LARGE;
        if self.recent.len() == AT_ONCE {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }

    /// For how long from `now` on a transaction waits for more whose input was drained at `drained` for the first time.
    pub(crate) fn linger(&self, drained: Duration, now: Duration) -> Duration {
        let paced =
            self.recent.front().filter(|_| self.recent.len() == AT_ONCE).map(|first| *first + IN_TIME);
        let lingers = self.follows_large.then(|| drained + LINGER);
        paced.max(lingers).map_or(Duration::ZERO, |end| end.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transactions that were committed before, as (records, milliseconds), and how long one waits at `now` that was
    /// drained at `drained`.
    #[track_caller]
    fn check(before: &[(usize, u64)], drained: u64, now: u64, expected: u64) {
        let mut pace = Pace::default();
        for (records, at) in before {
            pace.committed(*records, Duration::from_millis(*at));
        }
        let found = pace.linger(Duration::from_millis(drained), Duration::from_millis(now));
        assert_eq!(found, Duration::from_millis(expected), "{before:?}, drained at {drained}, now {now}");
    }

    #[test]
    fn a_few_small_ones_are_committed_at_once() {
        check(&[], 5, 5, 0);
        check(&[(1, 1), (1, 2), (1, 3)], 5, 5, 0);
        check(&[(1, 1), (1, 2), (999, 3)], 5, 5, 0);
    }

    #[test]
    fn beyond_four_in_their_time_they_wait() {
        let four = [(1, 1), (1, 2), (1, 3), (1, 4)];
        check(&four, 5, 5, 28);
        check(&four, 5, 32, 1);
        check(&four, 5, 33, 0);
        check(&four, 5, 1_000, 0);
        check(&[four[0], four[1], four[2], four[3], (1, 40)], 41, 41, 0);
    }

    #[test]
    fn behind_a_large_one_it_waits_for_more_from_when_it_was_drained() {
        check(&[(1_000, 1)], 5, 5, 30);
        check(&[(1_000, 1)], 5, 34, 1);
        check(&[(1_000, 1)], 5, 35, 0);
        check(&[(1_000, 1), (1, 2)], 5, 5, 0);
        check(&[(1, 1), (1, 2), (1, 3), (1_000, 20)], 25, 25, 30);
        check(&[(1, 20), (1, 20), (1, 20), (1_000, 20)], 21, 21, 31);
    }
}
