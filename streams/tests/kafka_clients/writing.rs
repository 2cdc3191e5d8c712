//! Records on their way out.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use streams::kafka::{Kafka, KafkaConfig};
use streams::{Cleanup, ClientSupplier, ErrorKind, Header, ProducerRecord, Timestamp};

use crate::cluster::{
    Cluster, PATIENCE, assigned_from_beginning, create, place, producer, read, record, records, soon, values,
};

#[test]
fn records_go_out_and_come_back() {
    let cluster = Cluster::of("round-trip");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    let empty = Header { name: "empty".to_string(), value: None };
    let sent = [
        ProducerRecord {
            headers: vec![Header::new("h", "1"), Header::new("h", "2"), empty],
            ..record(&in_0, "k", "v")
        },
        ProducerRecord { value: None, ..record(&in_0, "tombstone", "") },
        ProducerRecord { key: None, ..record(&in_0, "", "no key") },
        ProducerRecord { key: Some(Bytes::new()), value: Some(Bytes::new()), ..record(&in_0, "", "") },
    ];
    let mut producer = cluster.producer("p");
    let before = Timestamp::of_wall_clock();
    producer.begin().unwrap();
    for record in &sent {
        producer.send(record.clone(), Some(3)).unwrap();
    }
    assert_eq!(producer.flush().unwrap(), [(3, 3)], "the last offset of slot 3");
    producer.commit().unwrap();
    let after = Timestamp::of_wall_clock();

    let mut reader = cluster.reader();
    reader.assign(&[(in_0.clone(), 0)]).unwrap();
    let mut consumer = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *consumer);
    for came in [read(&mut *reader, sent.len()), records(&mut *consumer, sent.len())] {
        for ((offset, sent), came) in (0..).zip(&sent).zip(came) {
            assert_eq!((&*came.topic, came.partition, came.offset), ("in", 0, offset));
            assert_eq!((&came.key, &came.value, &came.headers), (&sent.key, &sent.value, &sent.headers));
            assert!(before <= came.timestamp && came.timestamp <= after, "{came:?}");
        }
    }
}

#[test]
fn a_writer_tells_each_record_s_offset_once() {
    let cluster = Cluster::of("writer");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    let writer = cluster.kafka.writer().unwrap();
    let (tell, told) = mpsc::channel();
    for number in 0..1000 {
        let tell = tell.clone();
        let told_of = Box::new(move |offset| tell.send((number, offset)).unwrap());
        writer.send(record(&in_0, "k", &number.to_string()), told_of);
    }
    drop(tell);
    let mut all: Vec<_> = (0..1000).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    all.sort_by_key(|(number, _)| *number);
    assert_eq!(all, (0..1000).map(|number| (number, Ok(number))).collect::<Vec<_>>(), "in order, too");
    assert!(told.recv_timeout(PATIENCE).is_err(), "nobody is told twice");
    drop(writer);
}

#[test]
fn a_writer_that_goes_tells_those_who_wait() {
    let kafka = Kafka::new(KafkaConfig::new("127.0.0.1:1"));
    let (tell, told) = mpsc::channel();
    let writer = kafka.writer().unwrap();
    writer.send(record(&place("in", 0), "k", "v"), Box::new(move |offset| tell.send(offset).unwrap()));
    drop(writer);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap_err().kind, ErrorKind::Retriable);
}

#[test]
fn what_the_writer_cannot_send_is_told() {
    let kafka = Kafka::new(of_small_records(KafkaConfig::new("127.0.0.1:1")));
    let (tell, told) = mpsc::channel();
    let large = "x".repeat(2_000);
    let writer = kafka.writer().unwrap();
    writer.send(record(&place("in", 0), "k", &large), Box::new(move |offset| tell.send(offset).unwrap()));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap_err().kind, ErrorKind::Refused);
}

/// The clients refuse what is larger themselves: by default the broker decides.
fn of_small_records(mut config: KafkaConfig) -> KafkaConfig {
    config.client_settings.push(("message.max.bytes".to_string(), "1000".to_string()));
    config
}

#[test]
fn a_refused_record_does_not_stop_the_writer() {
    let cluster = Cluster::of("refused-once");
    create(&cluster.kafka, "in", 1, Cleanup::Compact { min_lag: Duration::ZERO });
    let in_0 = place("in", 0);
    cluster.write(&in_0, &["before"]);
    let writer = cluster.kafka.writer().unwrap();
    let write = |record: ProducerRecord| {
        let (tell, told) = mpsc::channel();
        writer.send(record, Box::new(move |offset| tell.send(offset).unwrap()));
        told.recv_timeout(PATIENCE).unwrap()
    };
    let keyless = ProducerRecord { key: None, ..record(&in_0, "", "no key") };
    assert_eq!(write(record(&in_0, "k", "good")), Ok(1));
    assert_eq!(write(keyless).unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(write(record(&in_0, "k", "good")), Ok(2));
}

#[test]
fn a_refused_record_fails_its_transaction_only() {
    let cluster = Cluster::of("refused");
    create(&cluster.kafka, "in", 1, Cleanup::Compact { min_lag: Duration::ZERO });
    let in_0 = place("in", 0);
    let mut producer = producer(&Kafka::new(of_small_records(cluster.config.clone())), "p");
    let large = "x".repeat(2_000);

    producer.begin().unwrap();
    producer.send(record(&in_0, "k", "small"), None).unwrap();
    let refused = producer.send(record(&in_0, "k", &large), None).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused, "by the client: {refused}");
    producer.abort().unwrap();

    producer.begin().unwrap();
    producer.send(ProducerRecord { key: None, ..record(&in_0, "", "no key") }, None).unwrap();
    let refused = producer.flush().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused, "by the broker: {refused}");
    producer.abort().unwrap();

    producer.begin().unwrap();
    producer.send(record(&in_0, "k", "good"), None).unwrap();
    producer.commit().unwrap();
    let mut reader = cluster.reader();
    reader.assign(&[(in_0.clone(), 0)]).unwrap();
    assert_eq!(values(&read(&mut *reader, 1)), ["good"]);
}

/// How old a record may be that is written to this topic.
fn set_oldest(cluster: &Cluster, topic: &str, age: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &cluster.config.bootstrap_servers).create().unwrap();
    let name = format!("{}{topic}", cluster.config.topic_prefix);
    let change =
        AlterConfig::new(ResourceSpecifier::Topic(&name)).set("message.timestamp.before.max.ms", age);
    let changed = block_on(admin.alter_configs([&change], &AdminOptions::new())).unwrap();
    assert!(changed[0].is_ok(), "{changed:?}");
}

#[test]
fn a_clock_that_the_broker_does_not_agree_with_is_no_records_fault() {
    let cluster = Cluster::of("clock");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    let mut producer = cluster.producer("p");
    let mut write = || {
        producer.begin().unwrap();
        producer.send(record(&in_0, "k", "good"), None).unwrap();
        // As if the clock were slow.
        thread::sleep(Duration::from_millis(10));
        producer.commit().inspect_err(|_| producer.abort().unwrap())
    };
    set_oldest(&cluster, "in", "1");
    let refused = soon("the broker to refuse it", || write().err());
    assert_eq!(refused.kind, ErrorKind::Abortable, "{refused}");
    assert!(refused.reason.contains("this machine's clock says"), "{refused}");
    set_oldest(&cluster, "in", &i64::MAX.to_string());
    soon("the broker to take it", || write().ok());
}

#[test]
fn a_full_queue_only_slows_the_producer() {
    let cluster = Cluster::of("full");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    let mut config = cluster.config.clone();
    config.client_settings.push(("queue.buffering.max.messages".to_string(), "50".to_string()));
    let mut producer = producer(&Kafka::new(config), "p");
    producer.begin().unwrap();
    for number in 0..5000 {
        producer.send(record(&in_0, "k", &number.to_string()), Some(0)).unwrap();
    }
    assert_eq!(producer.flush().unwrap(), [(0, 4999)]);
    producer.commit().unwrap();
}
