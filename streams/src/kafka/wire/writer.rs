//! A producer without transactions, shared by many: idempotent, each record in its partition's log once and in order.
//!
//! - Whoever sends puts a record into a queue, and waits for nothing (`queue.rs`). A thread takes what has come
//!   together (`sender.rs`), makes one batch of it for each partition (`partition.rs`), and sends each leader one request
//!   with all of its batches. What comes while that is under way makes the next batches: nothing is held back for the
//!   sake of company.
//! - A batch goes again, as it was, until it is answered: its numbers tell the leader whether it has it already.
//! - Each record's sender is told once, and after some ten seconds at the latest. Who is told that it may be tried again
//!   is not told that it was not written.

mod numbering;
mod partition;
mod producer_ids;
mod queue;
mod route;
mod sender;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::queue::Queue;
use self::sender::Sender;
use super::link::alarm;
use crate::client::{ClientError, ErrorKind, OnDelivery, Writer};
use crate::guard::caught;
use crate::kafka::config::Settings;
use crate::record::ProducerRecord;

/// The idempotent producer of a process.
pub(in crate::kafka) struct RecordWriter {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl RecordWriter {
    /// Asks for its identity at once, so that it is there when the first record comes.
    pub(in crate::kafka) fn new(settings: &Settings) -> Result<Self, ClientError> {
        let failed = |error: std::io::Error| ClientError {
            kind: ErrorKind::Retriable,
            attempted: "start a writer".to_string(),
            reason: error.to_string(),
        };
        let (waker, alarm) = alarm().map_err(failed)?;
        let queue = Arc::new(Queue::new(waker));
        let (settings, of_thread) = (settings.clone(), queue.clone());
        let thread = thread::Builder::new()
            .name("kafka-writer".to_string())
            .spawn(move || keep_sending(&of_thread, || Sender::new(&settings, of_thread.clone()).run(&alarm)))
            .map_err(failed)?;
        Ok(Self { queue, thread: Some(thread) })
    }
}

/// Between a sender that has panicked and the next one.
const RESTART: Duration = Duration::from_millis(500);

/// Runs a sender until the queue is stopped. One that panics has told all who wait; another one takes its place, as
/// another producer.
fn keep_sending(queue: &Queue, mut send: impl FnMut()) {
    while let Err(panic) = caught(&mut send) {
        tracing::error!(%panic, "the writer begins anew");
        thread::sleep(RESTART);
        queue.open();
    }
}

impl Writer for RecordWriter {
    fn send(&self, record: ProducerRecord, on_delivery: OnDelivery) {
        self.queue.push(record, on_delivery);
    }
}

impl Drop for RecordWriter {
    /// Whoever waits still is told.
    fn drop(&mut self) {
        self.queue.stop();
        let Some(thread) = self.thread.take() else { return };
        // The last one to hold it may be one of those who are told.
        if thread.thread().id() != thread::current().id() {
            // What panics has told those who wait before.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
