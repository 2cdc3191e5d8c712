//! A batch that nobody may have to read.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use streams::kafka::{Kafka, KafkaConfig};
use streams::{ClientSupplier, ProducerRecord, partition_of};

use crate::harness::{App, PARTITIONS, PATIENCE, PAYMENTS, broker};

/// Twenty mebibytes of nothing, which are less than one when they are compressed.
fn bomb(partition: i32) -> ProducerRecord {
    ProducerRecord {
        topic: PAYMENTS.name().into(),
        partition,
        key: None,
        value: Some(Bytes::from(vec![0; 20 << 20])),
        headers: Vec::new(),
    }
}

#[tokio::test]
async fn an_input_that_cannot_be_read_stands_still_and_the_others_go_on() {
    let app = App::new("unreadable");
    let running = app.start();
    let account_of = |partition: i32| {
        let mut accounts = (0..).map(|number: i32| format!("account {number}"));
        accounts.find(|account| partition_of(account.as_bytes(), PARTITIONS) == partition).unwrap()
    };
    let (held_up, free) = (account_of(0), account_of(1));
    let before = app.pay(&held_up, 1).await;
    assert_eq!(running.spent_after(before, &held_up).await, Some(1));

    let compressing = Kafka::new(KafkaConfig {
        topic_prefix: "unreadable-".to_string(),
        client_settings: vec![("compression.type".to_string(), "zstd".to_string())],
        ..KafkaConfig::new(broker())
    });
    let writer = compressing.writer().unwrap();
    let (tell, told) = mpsc::channel();
    writer.send(bomb(0), Box::new(move |offset| tell.send(offset).unwrap()));
    let offset = told.recv_timeout(PATIENCE).unwrap().unwrap();
    let behind = app.pay(&held_up, 1).await;
    assert_eq!((before.partition, behind.partition), (0, 0));

    let expected =
        format!("read payments-0 at offset {offset}: the batch at offset {offset} holds more than");
    let start = Instant::now();
    while !running.health().reasons().iter().any(|reason| reason.starts_with(&expected)) {
        assert!(start.elapsed() < PATIENCE, "{:?}", running.health().reasons());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let elsewhere = app.pay(&free, 5).await;
    assert_eq!(running.spent_after(elsewhere, &free).await, Some(5));
    assert_eq!(running.queries().get(&running.spent, &held_up).unwrap(), Some(1), "nothing is left out");
    let metrics = running.metrics().snapshot();
    assert_eq!(metrics.get("replaced_workers"), None, "{metrics:?}");
    running.streams.close();
}
