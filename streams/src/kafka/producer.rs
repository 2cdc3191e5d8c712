//! A producer with transactions.
//!
//! Two things that librdkafka does otherwise than one would think:
//!
//! - Its `commit` and `abort` without a timeout do not end before the broker answers, however long that takes, in
//!   spite of their documentation. So they get a limit here, and what has not ended by then has an unknown outcome.
//! - It counts a record that the broker has refused as written. The next transaction that writes to the same
//!   partition then fails, for the broker misses one in the sequence. So its producer is replaced after such a
//!   transaction.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, ClientContext, Message};

use super::config::Settings;
use super::error::{failed, failed_in_transaction, failed_to_end};
use super::log::ClientLog;
use super::names::Names;
use super::pump::{Gate, Pumped};
use super::record;
use crate::client::{ClientError, ErrorKind, GroupMetadata, TransactionalProducer};
use crate::record::{ProducerRecord, TopicPartition};

/// The producer of one worker.
pub(super) struct Producer {
    id: String,
    config: ClientConfig,
    names: Names,
    /// Records of the open transaction.
    sent: u64,
    is_open: bool,
    /// How long a call may take: what is left of a transaction by then the broker aborts itself.
    limit: Duration,
    pumped: Pumped<Deliveries>,
}

impl Producer {
    pub(super) fn new(settings: &Settings, transactional_id: &str) -> Result<Self, ClientError> {
        let config = settings.transactional(transactional_id);
        Ok(Self {
            id: transactional_id.to_string(),
            pumped: pumped(&config, transactional_id)?,
            config,
            names: Names::new(settings.prefix()),
            sent: 0,
            is_open: false,
            limit: settings.transaction_timeout() + Duration::from_secs(1),
        })
    }

    fn client(&self) -> &BaseProducer<Deliveries> {
        self.pumped.producer()
    }

    fn deliveries(&self) -> &Deliveries {
        self.client().context()
    }

    fn replace(&mut self) -> Result<(), ClientError> {
        self.pumped = pumped(&self.config, &self.id)?;
        self.sent = 0;
        self.init_transactions()
    }

    fn attempt(&self, what: &str) -> String {
        format!("{what} of {}", self.id)
    }

    fn failure(&self, kind: ErrorKind, what: &str, reason: &str) -> ClientError {
        ClientError { kind, attempted: self.attempt(what), reason: reason.to_string() }
    }

    /// librdkafka counts a record as outstanding until its report has been put away, a moment after the callback;
    /// and its `flush` would wait for that in steps of 100 ms.
    fn await_clearance(&self, deadline: Instant) {
        while self.client().in_flight_count() > 0 && Instant::now() < deadline {
            thread::yield_now();
        }
    }

    /// The transaction is over, or nobody knows.
    fn ended(&mut self) {
        if self.is_open {
            self.is_open = false;
            self.pumped.gate().release();
        }
    }
}

impl TransactionalProducer for Producer {
    fn init_transactions(&mut self) -> Result<(), ClientError> {
        self.client().init_transactions(self.limit).map_err(failed(self.attempt("begin the transactions")))
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        if self.deliveries().lock().count != self.sent {
            let reason = "records of the last one are still on their way";
            return Err(self.failure(ErrorKind::Fenced, "begin a transaction", reason));
        }
        self.client()
            .begin_transaction()
            .map_err(failed_in_transaction(self.attempt("begin a transaction")))?;
        self.sent = 0;
        *self.deliveries().lock() = Delivered::default();
        self.is_open = true;
        self.pumped.gate().hold();
        Ok(())
    }

    fn send(&mut self, record: ProducerRecord, slot: Option<usize>) -> Result<(), ClientError> {
        let deadline = Instant::now() + self.limit;
        let opaque = slot.map_or(0, |slot| slot + 1);
        let topic = self.names.on_cluster(&record.topic);
        loop {
            let error = match self.pumped.producer().send(record::written(topic, &record, opaque)) {
                Ok(()) => {
                    self.sent += 1;
                    return Ok(());
                }
                Err((error, _)) => error,
            };
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if is_full && Instant::now() < deadline {
                self.pumped.producer().context().await_room();
                continue;
            }
            // Once a transaction has failed, librdkafka takes no more records; what it failed of says more.
            let earlier = self.pumped.producer().context().lock().failure.clone();
            let place = format!("write to {}-{}", record.topic, record.partition);
            return Err(earlier.unwrap_or_else(|| failed_in_transaction(place)(error)));
        }
    }

    fn flush(&mut self) -> Result<Vec<(usize, i64)>, ClientError> {
        let deadline = Instant::now() + self.limit;
        let delivered = self.deliveries().await_count(self.sent, deadline);
        if let Some(failure) = delivered.failure.clone() {
            return Err(failure);
        }
        if delivered.count < self.sent {
            return Err(self.failure(
                ErrorKind::Abortable,
                "flush the records",
                "the broker does not answer",
            ));
        }
        let offsets = delivered.last_offsets();
        drop(delivered);
        self.await_clearance(deadline);
        Ok(offsets)
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, i64)],
        metadata: &GroupMetadata,
    ) -> Result<(), ClientError> {
        let attempt = self.attempt("add the offsets to a transaction");
        let Some(metadata) = metadata.0.downcast_ref::<ConsumerGroupMetadata>() else {
            return Err(self.failure(ErrorKind::Fatal, "add offsets", "the membership is not of this door"));
        };
        let list = self.names.list_at(offsets).map_err(failed(attempt.clone()))?;
        // Of all calls this one alone keeps to the transaction's timeout by itself.
        self.client()
            .send_offsets_to_transaction(&list, metadata, Timeout::Never)
            .map_err(failed_in_transaction(attempt))
    }

    fn commit(&mut self) -> Result<(), ClientError> {
        self.flush()?;
        let committed = self.client().commit_transaction(self.limit);
        self.ended();
        committed.map_err(failed_to_end(self.attempt("commit a transaction")))
    }

    fn abort(&mut self) -> Result<(), ClientError> {
        let aborted = self.client().abort_transaction(self.limit);
        self.await_clearance(Instant::now() + self.limit);
        self.ended();
        aborted.map_err(failed_to_end(self.attempt("abort a transaction")))?;
        if self.deliveries().lock().is_spoilt { self.replace() } else { Ok(()) }
    }
}

fn pumped(config: &ClientConfig, id: &str) -> Result<Pumped<Deliveries>, ClientError> {
    let context = Deliveries::new(ClientLog::new(format!("producer {id}")));
    let producer = config.create_with_context(context).map_err(failed(format!("make the producer {id}")))?;
    Pumped::start(producer, Arc::new(Gate::default()))
}

/// Counts what has been delivered.
struct Deliveries {
    log: ClientLog,
    delivered: Mutex<Delivered>,
    reached: Condvar,
}

#[derive(Debug, Default)]
struct Delivered {
    count: u64,
    /// The count that somebody waits for.
    awaited: Option<u64>,
    last: Vec<Option<i64>>,
    failure: Option<ClientError>,
    /// Whether a record failed that may have had its number in the sequence.
    is_spoilt: bool,
}

impl Delivered {
    fn note(&mut self, slot: usize, offset: i64) {
        if self.last.len() <= slot {
            self.last.resize(slot + 1, None);
        }
        self.last[slot] = self.last[slot].max(Some(offset));
    }

    /// The first failure counts, but a refused record tells more than what went down with it.
    fn fail(&mut self, failure: ClientError) {
        match &self.failure {
            Some(earlier) if earlier.kind == ErrorKind::Refused || failure.kind != ErrorKind::Refused => {}
            _ => self.failure = Some(failure),
        }
    }

    fn is_awaited(&self) -> bool {
        self.awaited.is_some_and(|awaited| self.count >= awaited || self.failure.is_some())
    }

    fn last_offsets(&self) -> Vec<(usize, i64)> {
        let offset_of = |(slot, offset): (usize, &Option<i64>)| offset.map(|offset| (slot, offset));
        self.last.iter().enumerate().filter_map(offset_of).collect()
    }
}

impl Deliveries {
    fn new(log: ClientLog) -> Self {
        Self { log, delivered: Mutex::default(), reached: Condvar::new() }
    }

    /// Waits until so many records are delivered, or one has failed.
    fn await_count(&self, count: u64, deadline: Instant) -> MutexGuard<'_, Delivered> {
        let mut delivered = self.lock();
        delivered.awaited = Some(count);
        let patience = deadline.saturating_duration_since(Instant::now());
        let (mut delivered, _) = self
            .reached
            .wait_timeout_while(delivered, patience, |delivered| !delivered.is_awaited())
            .unwrap_or_else(PoisonError::into_inner);
        delivered.awaited = None;
        delivered
    }

    /// Waits for a delivery, or a moment: the queue has room only some time after the callback.
    fn await_room(&self) {
        let count = self.lock().count + 1;
        drop(self.await_count(count, Instant::now() + Duration::from_millis(5)));
    }

    fn lock(&self) -> MutexGuard<'_, Delivered> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProducerContext for Deliveries {
    /// The slot's number and 1; 0 for no slot.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: usize) {
        let mut delivered = self.lock();
        delivered.count += 1;
        match result {
            Ok(message) => {
                if let Some(slot) = slot.checked_sub(1) {
                    delivered.note(slot, message.offset());
                }
            }
            Err((error, message)) => {
                let place = format!("write to {}-{}", message.topic(), message.partition());
                delivered.is_spoilt |= !was_purged(error);
                delivered.fail(failed_in_transaction(place)(error.clone()));
            }
        }
        if delivered.is_awaited() {
            self.reached.notify_all();
        }
    }
}

/// Whether it never left, and librdkafka knows that: what an abort does to records.
fn was_purged(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight))
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}
