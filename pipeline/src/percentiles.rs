//! Percentiles of durations.

use std::time::Duration;

/// What is shown of many durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Percentiles {
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Percentiles {
    /// None of no durations.
    pub(crate) fn of(durations: &[Duration]) -> Option<Self> {
        let mut sorted = durations.to_vec();
        sorted.sort_unstable();
        Some(Self {
            p50: percentile(&sorted, 50)?,
            p90: percentile(&sorted, 90)?,
            p99: percentile(&sorted, 99)?,
            max: percentile(&sorted, 100)?,
        })
    }
}

/// The smallest of the durations that is not exceeded by `percent` of a hundred of them (the nearest-rank
/// method: always a duration that occurred).
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of durations in milliseconds.
    #[track_caller]
    fn check(millis: impl IntoIterator<Item = u64>, expected: Option<[u64; 4]>) {
        let durations: Vec<_> = millis.into_iter().map(Duration::from_millis).collect();
        let expected = expected.map(|expected| {
            let [p50, p90, p99, max] = expected.map(Duration::from_millis);
            Percentiles { p50, p90, p99, max }
        });
        assert_eq!(Percentiles::of(&durations), expected, "{durations:?}");
    }

    #[test]
    fn percentiles_are_durations_that_occurred() {
        check([], None);
        check([7], Some([7, 7, 7, 7]));
        check([9, 1], Some([1, 9, 9, 9]));
        check([3, 1, 2], Some([2, 3, 3, 3]));
        check(1..=10, Some([5, 9, 10, 10]));
        check((1..=100).rev(), Some([50, 90, 99, 100]));
        check(1..=1000, Some([500, 900, 990, 1000]));
        check([5; 20], Some([5, 5, 5, 5]));
    }
}
