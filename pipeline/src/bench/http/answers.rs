//! The answers to many requests of one kind.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// How long each took that was answered as it should be.
    pub(super) latencies: Vec<Duration>,
    /// All others, by what went wrong.
    pub(super) errors: BTreeMap<String, usize>,
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
}

impl Answers {
    /// Makes the call of each number as it comes, so many at once, until there are no more numbers.
    pub(super) async fn collect<F: Future<Output = Result<(), String>>>(
        numbers: impl Stream<Item = usize>,
        concurrency: usize,
        call: impl Fn(usize) -> F,
    ) -> Self {
        let mut answers = Self::default();
        let started = Instant::now();
        let calls = numbers.map(|number| {
            let call = call(number);
            async {
                let sent = Instant::now();
                let result = call.await;
                (sent.elapsed(), result)
            }
        });
        let mut calls = pin!(calls.buffer_unordered(concurrency));
        while let Some((took, result)) = calls.next().await {
            answers.add(took, result);
        }
        answers.elapsed = started.elapsed();
        answers
    }

    fn add(&mut self, took: Duration, result: Result<(), String>) {
        match result {
            Ok(()) => self.latencies.push(took),
            Err(error) => *self.errors.entry(error).or_default() += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::stream;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn every_number_is_called_and_never_more_at_once_than_allowed() {
        for (count, concurrency) in [(0, 1), (1, 4), (10, 1), (100, 7)] {
            let (at_once, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let answers = Answers::collect(stream::iter(0..count), concurrency, async |number| {
                most.fetch_max(1 + at_once.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                yield_now().await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                if number % 5 == 4 { Err(format!("{}", number % 2)) } else { Ok(()) }
            })
            .await;
            assert_eq!(answers.latencies.len(), count - count / 5, "{count}");
            assert_eq!(answers.errors.values().sum::<usize>(), count / 5, "{count}");
            assert_eq!(most.into_inner(), count.min(concurrency), "{count}");
        }
    }
}
