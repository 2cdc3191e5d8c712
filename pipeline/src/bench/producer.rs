//! The producer of `order-requests`.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use domain::{OrderRequest, timestamp_from_millis};
use service::topics::ORDER_REQUESTS;
use streams::kafka::{Kafka, KafkaConfig};
use streams::{
    ClientError, ClientSupplier, EncodeError, ProducerRecord, Timestamp, Writer, encode_key, encode_value,
    partition_of,
};

use super::orders::Orders;
use crate::on_thread::on_thread;

/// Writes requests, in the place of the HTTP side of the orders service.
pub(super) struct Producer {
    partitions: i32,
    at_a_rate: Arc<dyn Writer>,
    in_a_burst: Arc<dyn Writer>,
}

/// Fewer and larger batches: in a burst nobody waits for a single record, and the broker is to have time for the
/// pipeline.
const IN_A_BURST: (&str, &str) = ("linger.ms", "5");

impl Producer {
    /// Writes to topics of `partitions` partitions. Made well before it is used: it connects meanwhile.
    pub(super) fn new(bootstrap_servers: &str, partitions: i32) -> Result<Self, ClientError> {
        let config = KafkaConfig::new(bootstrap_servers);
        let (name, value) = IN_A_BURST;
        let burst_config =
            KafkaConfig { client_settings: vec![(name.to_owned(), value.to_owned())], ..config.clone() };
        Ok(Self {
            partitions,
            at_a_rate: Kafka::new(config).writer()?,
            in_a_burst: Kafka::new(burst_config).writer()?,
        })
    }

    /// Writes a request for each of the orders, so many a second or else as fast as it goes. Returns when Kafka
    /// has them all; with the time at which each was sent.
    pub(super) async fn write(&self, orders: Arc<Orders>, rate: Option<f64>) -> anyhow::Result<Vec<Instant>> {
        let partitions = self.partitions;
        let writer = if rate.is_some() { &self.at_a_rate } else { &self.in_a_burst }.clone();
        let written = on_thread("producer", move || write(&*writer, partitions, &orders, rate))?;
        written.await.context("the producer has panicked")?.context("could not write requests")
    }
}

fn write(
    writer: &dyn Writer,
    partitions: i32,
    orders: &Orders,
    rate: Option<f64>,
) -> anyhow::Result<Vec<Instant>> {
    let mut sent = Vec::with_capacity(orders.count());
    let on_the_way = Arc::new(OnTheWay::default());
    let started = Instant::now();
    for number in 0..orders.count() {
        if let Some(wait) = due(number, rate).checked_sub(started.elapsed()) {
            thread::sleep(wait);
        }
        let record = record(orders, number, partitions)?;
        on_the_way.enter()?;
        let on_the_way = on_the_way.clone();
        sent.push(Instant::now());
        writer.send(record, Box::new(move |result| on_the_way.leave(result)));
    }
    on_the_way.until_empty()?;
    Ok(sent)
}

/// When the order of a number is to be sent, from the start. What was held up does not move what comes after it.
fn due(number: usize, rate: Option<f64>) -> Duration {
    rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(number as f64 / rate))
}

fn record(orders: &Orders, number: usize, partitions: i32) -> Result<ProducerRecord, EncodeError> {
    let order = orders.order(number);
    let key = encode_key(&order.id);
    let requested_at = timestamp_from_millis(Timestamp::of_wall_clock().as_millis());
    Ok(ProducerRecord {
        topic: ORDER_REQUESTS.name().into(),
        partition: partition_of(&key, partitions),
        key: Some(key),
        value: Some(encode_value(&OrderRequest::Create { order, requested_at })?),
        headers: Vec::new(),
    })
}

/// Records that were sent and are not delivered yet: never more than the client's queue has room for.
#[derive(Default)]
struct OnTheWay {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    records: usize,
    failed: Option<ClientError>,
}

/// The queue's default takes 100,000.
const MOST_ON_THE_WAY: usize = 20_000;

impl OnTheWay {
    fn enter(&self) -> Result<(), ClientError> {
        self.wait_while(|records| records >= MOST_ON_THE_WAY)?.records += 1;
        Ok(())
    }

    fn leave(&self, result: Result<i64, ClientError>) {
        let mut state = self.lock();
        state.records -= 1;
        state.failed = state.failed.take().or(result.err());
        self.changed.notify_one();
    }

    fn until_empty(&self) -> Result<(), ClientError> {
        self.wait_while(|records| records > 0).map(drop)
    }

    /// Fails as soon as one of the records has.
    fn wait_while(&self, too_many: impl Fn(usize) -> bool) -> Result<MutexGuard<'_, State>, ClientError> {
        let waits = |state: &mut State| state.failed.is_none() && too_many(state.records);
        let state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use streams::{ErrorKind, OnDelivery, decode_value};

    use super::*;

    #[test]
    fn orders_are_due_by_a_schedule_that_nothing_moves() {
        for (number, rate, expected) in [
            (0, None, 0),
            (1000, None, 0),
            (0, Some(200.0), 0),
            (1, Some(200.0), 5),
            (200, Some(200.0), 1000),
            (3, Some(0.5), 6000),
            (19_999, Some(1000.0), 19_999),
        ] {
            let found = due(number, rate);
            assert_eq!(found, Duration::from_millis(expected), "{number} at {rate:?}");
        }
    }

    /// Keeps what is sent, and answers all but the last as the client does: on another thread.
    struct FakeWriter {
        sent: Mutex<Vec<ProducerRecord>>,
        refused: usize,
    }

    impl Writer for FakeWriter {
        fn send(&self, record: ProducerRecord, on_delivery: OnDelivery) {
            let mut sent = self.sent.lock().unwrap();
            let refused = sent.len() == self.refused;
            sent.push(record);
            let error = ClientError {
                kind: ErrorKind::Refused,
                attempted: "write".to_owned(),
                reason: "too large".to_owned(),
            };
            thread::spawn(move || on_delivery(if refused { Err(error) } else { Ok(0) }));
        }
    }

    #[test]
    fn each_order_is_requested_once_in_its_partition() {
        let writer = FakeWriter { sent: Mutex::default(), refused: usize::MAX };
        let orders = Orders::new(200);
        let times = write(&writer, 4, &orders, Some(10_000.0)).unwrap();
        assert!(times.is_sorted() && times.len() == 200);
        let sent = writer.sent.into_inner().unwrap();
        for (number, record) in sent.iter().enumerate() {
            let key = record.key.as_deref().unwrap();
            assert_eq!(orders.number(key), Some(number));
            assert_eq!(record.partition, partition_of(key, 4));
            let request = decode_value(record.value.as_deref().unwrap()).unwrap();
            let OrderRequest::Create { order, .. } = request else { panic!("{request:?}") };
            assert_eq!(order, orders.order(number));
        }
        assert_eq!(sent.len(), 200);
    }

    #[test]
    fn a_record_that_is_refused_ends_it() {
        for refused in [0, 9] {
            let writer = FakeWriter { sent: Mutex::default(), refused };
            let error = write(&writer, 4, &Orders::new(10), None).unwrap_err();
            assert!(error.to_string().contains("too large"), "{error}");
        }
    }

    #[test]
    fn there_are_never_more_on_the_way_than_the_queue_takes() {
        let on_the_way = OnTheWay::default();
        for _ in 0..MOST_ON_THE_WAY {
            on_the_way.enter().unwrap();
        }
        thread::scope(|scope| {
            let one_more = scope.spawn(|| on_the_way.enter());
            thread::sleep(Duration::from_millis(20));
            assert!(!one_more.is_finished());
            on_the_way.leave(Ok(0));
            one_more.join().unwrap().unwrap();
        });
        assert_eq!(on_the_way.lock().records, MOST_ON_THE_WAY);
    }
}
