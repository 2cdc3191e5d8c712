//! A broker that is started again under a running application.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use local_kafka::{Config, LocalKafka};
use streams::kafka::{Kafka, KafkaConfig};
use streams::{ClientSupplier, CommandWriter, StateDirectory, Streams, StreamsConfig, Written};

use crate::harness::{PARTITIONS, PATIENCE, PAYMENTS, topology};

/// A slow machine's broker takes its time to come back.
const LONG: Duration = Duration::from_secs(40);

/// Pays one at a time until told to stop. How many payments were written, how many perhaps, and where the last one is.
async fn pay(writer: CommandWriter, account: &str, is_enough: Arc<AtomicBool>) -> (i64, i64, Written) {
    let (mut written, mut perhaps, mut last) = (0, 0, None);
    while last.is_none() || !is_enough.load(Ordering::Relaxed) {
        match writer.send(&PAYMENTS, &account.to_string(), &1).await {
            Ok(place) => (written, last) = (written + 1, Some(place)),
            Err(_) => perhaps += 1,
        }
    }
    (written, perhaps, last.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_broker_replaces_no_worker() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    let kafka = Arc::new(Kafka::new(KafkaConfig {
        session_timeout: LONG,
        transaction_timeout: LONG,
        max_poll_interval: LONG * 2,
        ..KafkaConfig::new(broker.bootstrap_servers())
    }));
    let directory = tempfile::tempdir().unwrap();
    let state = Arc::new(StateDirectory::open(&directory.path().join("state"), None).unwrap());
    let config = StreamsConfig {
        partitions: PARTITIONS,
        extra_topics: vec![PAYMENTS.spec()],
        ..StreamsConfig::default()
    };
    let (topology, spent) = topology();
    let streams = Streams::start(topology, config, kafka.clone(), state).unwrap();
    assert!(streams.health().wait(PATIENCE), "{:?}", streams.health().reasons());

    let is_enough = Arc::new(AtomicBool::new(false));
    let writer = CommandWriter::new(kafka.writer().unwrap(), PARTITIONS);
    let paying = tokio::spawn(pay(writer, "a", is_enough.clone()));
    for is_killed in [false, true] {
        let committed = |streams: &Streams| {
            streams.metrics().snapshot().get("committed_transactions").copied().unwrap_or(0)
        };
        let before = committed(&streams);
        let start = Instant::now();
        while committed(&streams) < before + 50 {
            assert!(start.elapsed() < PATIENCE, "{:?}", streams.health().reasons());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        broker = tokio::task::spawn_blocking(move || {
            if is_killed { broker.kill() } else { broker.stop() }.unwrap();
            broker.restart().unwrap();
            broker
        })
        .await
        .unwrap();
    }
    is_enough.store(true, Ordering::Relaxed);
    let (written, perhaps, last) = tokio::time::timeout(PATIENCE, paying).await.unwrap().unwrap();
    let queries = streams.queries();
    let committed = queries.committed(&PAYMENTS, last.partition, last.offset);
    tokio::time::timeout(PATIENCE, committed).await.expect("the last one is committed").unwrap();
    let spent = queries.get(&spent, &"a".to_string()).unwrap().unwrap();
    assert!((written..=written + perhaps).contains(&spent), "{spent} of {written} and perhaps {perhaps}");
    let metrics = streams.metrics().snapshot();
    assert_eq!(metrics.get("replaced_workers"), None, "{metrics:?}");
    streams.close();
    broker.stop().unwrap();
}
