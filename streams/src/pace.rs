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
/// So many commits take place at once. Beyond that a worker commits for one part of its time,
const AT_ONCE: usize = 4;
/// of so many: the busier the broker, the longer a commit takes, and the more records share the next one. (With six
/// workers and their broker on two cores, orders are through soonest with this; who waits less, waits in the broker.)
const PARTS: u32 = 2;
/// One that took long does not hold up the next one for longer than this.
const LONGEST: Duration = Duration::from_millis(100);

/// What the last commits of a worker say about the next one.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    follows_large: bool,
    recent: VecDeque<Commit>,
}

#[derive(Debug)]
struct Commit {
    began: Duration,
    took: Duration,
}

impl Pace {
    /// A transaction with so many records was committed, from `began` to `now`.
    pub(crate) fn committed(&mut self, records: usize, began: Duration, now: Duration) {
        self.follows_large = records >= LARGE;
        if self.recent.len() == AT_ONCE {
            self.recent.pop_front();
        }
        self.recent.push_back(Commit { began, took: now.saturating_sub(began) });
    }

    /// For how long from `now` on a transaction waits for more whose input was drained at `drained` for the first time.
    pub(crate) fn linger(&self, drained: Duration, now: Duration) -> Duration {
        let committing: Duration = self.recent.iter().map(|commit| commit.took).sum();
        let first = self.recent.front().filter(|_| self.recent.len() == AT_ONCE);
        let paced = first.map(|first| (first.began + committing * PARTS).min(drained + LONGEST));
        let lingers = self.follows_large.then(|| drained + LINGER);
        paced.max(lingers).map_or(Duration::ZERO, |end| end.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transactions that were committed before, as (records, from, to in milliseconds), and how long one waits at `now`
    /// that was drained at `drained`.
    #[track_caller]
    fn check(before: &[(usize, u64, u64)], drained: u64, now: u64, expected: u64) {
        let mut pace = Pace::default();
        for (records, began, ended) in before {
            pace.committed(*records, Duration::from_millis(*began), Duration::from_millis(*ended));
        }
        let found = pace.linger(Duration::from_millis(drained), Duration::from_millis(now));
        assert_eq!(found, Duration::from_millis(expected), "{before:?}, drained at {drained}, now {now}");
    }

    #[test]
    fn a_few_small_ones_are_committed_at_once() {
        check(&[], 5, 5, 0);
        check(&[(1, 0, 10), (1, 10, 20), (1, 20, 30)], 30, 30, 0);
        check(&[(1, 0, 10), (1, 10, 20), (999, 20, 30)], 30, 30, 0);
    }

    #[test]
    fn beyond_four_they_wait_as_long_as_the_last_four_took() {
        let four = [(1, 0, 10), (1, 10, 20), (1, 20, 30), (1, 30, 40)];
        check(&four, 40, 40, 40);
        check(&four, 45, 79, 1);
        check(&four, 45, 80, 0);
        check(&four, 45, 1_000, 0);
        // The first of them does not count any more.
        check(&[four[0], four[1], four[2], four[3], (1, 80, 84)], 84, 84, 0);
        check(&[four[0], four[1], four[2], four[3], (1, 40, 44)], 44, 44, 34);
        // They have waited already.
        check(&[(1, 0, 10), (1, 30, 40), (1, 60, 70), (1, 90, 100)], 100, 100, 0);
        // One was very slow.
        check(&[four[0], four[1], four[2], (1, 30, 3_030)], 5_000, 5_000, 100);
        check(&[four[0], four[1], four[2], (1, 30, 3_030)], 5_000, 5_100, 0);
        // What takes no time costs nothing.
        check(&[(1, 5, 5), (1, 5, 5), (1, 5, 5), (1, 5, 5)], 5, 5, 0);
    }

    #[test]
    fn behind_a_large_one_it_waits_for_more_from_when_it_was_drained() {
        check(&[(1_000, 0, 1)], 5, 5, 30);
        check(&[(1_000, 0, 1)], 5, 34, 1);
        check(&[(1_000, 0, 1)], 5, 35, 0);
        check(&[(1_000, 0, 1), (1, 1, 2)], 5, 5, 0);
        check(&[(1, 0, 1), (1, 1, 2), (1, 2, 3), (1_000, 19, 20)], 25, 25, 30);
        check(&[(1, 0, 10), (1, 10, 20), (1, 20, 30), (1_000, 30, 50)], 51, 51, 49);
    }
}
