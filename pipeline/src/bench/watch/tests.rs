use std::collections::VecDeque;
use std::sync::{Mutex, mpsc};
use std::thread;

use domain::OrderState;
use streams::{ConsumerRecord, Timestamp, Watermarks};

use super::*;

/// Has these records, and tells when somebody asks for more.
struct FakeReader {
    records: VecDeque<Result<ConsumerRecord, ClientError>>,
    assigned: Arc<Mutex<Vec<i64>>>,
    drained: mpsc::Sender<()>,
}

impl Reader for FakeReader {
    fn committed(&mut self, _: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
        unimplemented!("it is of no group")
    }

    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
        Ok(partitions.iter().map(|it| Watermarks { low: 0, high: 100 + i64::from(it.partition) }).collect())
    }

    fn last_stable_offsets(&mut self, _: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
        unimplemented!("it does not matter what holds others up")
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        *self.assigned.lock().unwrap() = positions.iter().map(|(_, offset)| *offset).collect();
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        if let Some(record) = self.records.pop_front() {
            return record.map(Some);
        }
        // The test may have heard it already.
        _ = self.drained.send(());
        thread::sleep(wait);
        Ok(None)
    }

    fn position(&mut self, _: &TopicPartition) -> Result<Option<i64>, ClientError> {
        unimplemented!("nobody asks")
    }
}

fn record(key: impl ToString, state: &str) -> Result<ConsumerRecord, ClientError> {
    Ok(ConsumerRecord {
        topic: ORDERS.name().into(),
        partition: 0,
        offset: 0,
        timestamp: Timestamp::from_millis(0),
        key: Some(key.to_string().into_bytes().into()),
        value: Some(format!(r#"{{"id":"x","state":"{state}"}}"#).into_bytes().into()),
        headers: Vec::new(),
    })
}

fn failure(kind: ErrorKind) -> Result<ConsumerRecord, ClientError> {
    Err(ClientError { kind, attempted: "read records".to_owned(), reason: "because".to_owned() })
}

/// What a watch of three orders has seen when all these records have come.
async fn watched(
    records: impl FnOnce(&Orders) -> Vec<Result<ConsumerRecord, ClientError>>,
) -> anyhow::Result<FinalStates> {
    let orders = Arc::new(Orders::new(3));
    let assigned = Arc::default();
    let (drained, all_read) = mpsc::channel();
    let records = records(&orders).into();
    let reader = FakeReader { records, assigned: Arc::clone(&assigned), drained };
    let mut watch = Watch::start(Box::new(reader), 2, orders).await?;
    assert_eq!(*assigned.lock().unwrap(), [100, 101], "from the ends on");
    // Fails when the watch has ended before.
    _ = all_read.recv();
    watch.complete().await;
    watch.end().await
}

#[tokio::test(start_paused = true)]
async fn each_order_is_followed_to_its_final_state() {
    let states = watched(|orders| {
        let mut records: Vec<_> = (0..3).map(|number| record(orders.id(number), "CREATED")).collect();
        records.push(record(Orders::new(3).id(0), "VALIDATED"));
        records.push(failure(ErrorKind::Retriable));
        records.extend((0..3).map(|number| record(orders.id(number), "VALIDATED")));
        records
    });
    let states = states.await.unwrap();
    assert_eq!((states.count(OrderState::Validated), states.missing(), states.duplicates), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_and_what_comes_twice_is_told() {
    let states = watched(|orders| {
        let [first, second] = [orders.id(0), orders.id(1)];
        vec![record(&first, "FAILED"), record(&second, "VALIDATED"), record(&first, "VALIDATED")]
    });
    let states = states.await.unwrap();
    let counts = (states.count(OrderState::Failed), states.count(OrderState::Validated));
    assert_eq!((counts, states.missing(), states.duplicates), ((1, 1), 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_fails_ends_it() {
    let error = watched(|_| vec![failure(ErrorKind::Fatal)]).await.unwrap_err();
    assert_eq!(crate::explain(&error), "could not watch orders: could not read records: because");
}
