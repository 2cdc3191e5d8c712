//! Watching `orders` as a consumer does that sees committed records only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use service::topics::ORDERS;
use streams::{ClientError, ErrorKind, Reader, TopicPartition};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::final_states::{FinalStates, final_state};
use super::orders::Orders;
use crate::on_thread::on_thread;

/// Sees the final states of a run's orders, on a thread of its own until it is dropped.
pub(super) struct Watch {
    shared: Arc<Shared>,
    complete: oneshot::Receiver<()>,
    ended: oneshot::Receiver<Result<FinalStates, ClientError>>,
}

#[derive(Default)]
struct Shared {
    /// How many orders have a final state.
    decided: AtomicUsize,
    stopped: AtomicBool,
}

/// How long no order may come to a final state until the rest counts as lost: more than the deadline of an order,
/// and than a transaction of a dead producer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to look for what should not come after the last final state.
const SETTLE: Duration = Duration::from_secs(1);

/// One look; also how long a stop can take.
const STEP: Duration = Duration::from_millis(100);

impl Watch {
    /// Begins at what is written from now on. Before anything is requested.
    pub(super) async fn start(
        mut reader: Box<dyn Reader>,
        partitions: i32,
        orders: Arc<Orders>,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = shared.clone();
        let (report_start, started) = oneshot::channel();
        let (report_complete, complete) = oneshot::channel();
        let ended = on_thread("watch", move || {
            let assigned = go_to_end(&mut *reader, partitions);
            let failed = assigned.is_err();
            // Nobody hears it who is not there any more: then it has been stopped, too.
            _ = report_start.send(assigned);
            if failed {
                Ok(FinalStates::new(0))
            } else {
                run(&mut *reader, &orders, &watched, report_complete)
            }
        })?;
        let watch = Self { shared, complete, ended };
        started.await.context("the watch has panicked")?.context("could not watch orders")?;
        Ok(watch)
    }

    /// Returns when all orders have a final state, or no more will get one. After all were requested.
    pub(super) async fn complete(&mut self) {
        loop {
            let before = self.shared.decided.load(Ordering::Relaxed);
            let complete = timeout(PATIENCE, &mut self.complete).await;
            if complete.is_ok() || self.shared.decided.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    /// Looks for a while for what should not come, and tells what came.
    pub(super) async fn end(mut self) -> anyhow::Result<FinalStates> {
        sleep(SETTLE).await;
        self.shared.stopped.store(true, Ordering::Relaxed);
        (&mut self.ended).await.context("the watch has panicked")?.context("could not watch orders")
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

fn go_to_end(reader: &mut dyn Reader, partitions: i32) -> Result<(), ClientError> {
    let partitions: Vec<_> =
        (0..partitions).map(|partition| TopicPartition::new(ORDERS.name(), partition)).collect();
    let ends = reader.watermarks(&partitions)?.into_iter().map(|watermarks| watermarks.high);
    reader.assign(&partitions.into_iter().zip(ends).collect::<Vec<_>>())
}

fn run(
    reader: &mut dyn Reader,
    orders: &Orders,
    shared: &Shared,
    complete: oneshot::Sender<()>,
) -> Result<FinalStates, ClientError> {
    let mut complete = Some(complete);
    let mut states = FinalStates::new(orders.count());
    while !shared.stopped.load(Ordering::Relaxed) {
        let record = match reader.poll(STEP) {
            Ok(Some(record)) => record,
            Ok(None) => continue,
            Err(error) if error.kind == ErrorKind::Retriable => continue,
            Err(error) => return Err(error),
        };
        let (Some(key), Some(value)) = (record.key, record.value) else { continue };
        let Some(state) = final_state(&value) else { continue };
        let Some(number) = orders.number(&key) else { continue };
        states.add(number, state, Instant::now());
        shared.decided.store(orders.count() - states.missing(), Ordering::Relaxed);
        if states.missing() == 0
            && let Some(complete) = complete.take()
        {
            // Nobody waits for it if the run was given up.
            _ = complete.send(());
        }
    }
    Ok(states)
}

#[cfg(test)]
mod tests;
