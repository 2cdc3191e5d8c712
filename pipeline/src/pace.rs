//! When the next of many is sent.

use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use tokio::time::interval;

/// The items, at most so many a second; without a rate all at once. What was held up is made up for, so that
/// the rate holds on average.
pub(crate) fn paced<T>(items: impl Iterator<Item = T>, rate: Option<f64>) -> impl Stream<Item = T> {
    // Its missed ticks come at once, one after the other.
    let ticks = rate.map(|rate| interval(Duration::from_secs_f64(1.0 / rate)));
    stream::iter(items)
        .zip(stream::unfold(ticks, async |mut ticks| {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            Some(((), ticks))
        }))
        .map(|(item, ())| item)
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// After how many milliseconds each of `count` items comes, when the first of them takes `busy`.
    async fn arrivals(rate: Option<f64>, count: usize, busy: u64) -> Vec<u128> {
        let started = Instant::now();
        paced(0..count, rate)
            .then(async |item| {
                let at = started.elapsed().as_millis();
                if item == 0 {
                    sleep(Duration::from_millis(busy)).await;
                }
                at
            })
            .collect()
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn items_come_at_the_rate() {
        for (rate, busy, expected) in [
            (None, 0, [0, 0, 0, 0]),
            (Some(10.0), 0, [0, 100, 200, 300]),
            (Some(0.5), 0, [0, 2000, 4000, 6000]),
            (Some(1000.0), 0, [0, 1, 2, 3]),
            (Some(10.0), 250, [0, 250, 250, 300]),
        ] {
            assert_eq!(arrivals(rate, 4, busy).await, expected, "{rate:?}, busy for {busy} ms");
        }
    }
}
