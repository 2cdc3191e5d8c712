//! Brokers that go away, and come back.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use local_kafka::{Config, LocalKafka};
use streams::kafka::{Kafka, KafkaConfig};
use streams::{
    Cleanup, ClientSupplier, ErrorKind, GroupConsumer, GroupEvent, Membership, ProducerRecord,
    TransactionalProducer,
};

use crate::cluster::{
    PATIENCE, assigned_from_beginning, assignment, config, consumer, create, place, producer, read, record,
    records, retried, soon, values,
};
use crate::proxy::Proxy;

/// Writes one record in a transaction, as often as it takes; a producer that is thrown away is replaced.
fn write_at_last(kafka: &Kafka, record: &ProducerRecord) {
    soon("a commit", || {
        let mut producer = kafka.producer("p").unwrap();
        producer.init_transactions().ok()?;
        producer.begin().ok()?;
        producer.send(record.clone(), None).ok()?;
        producer.commit().ok()
    });
}

/// The next record; whatever the group does meanwhile is answered, and reading goes on at `from`, which is moved on.
fn next_value(consumer: &mut dyn GroupConsumer, from: &mut i64) -> String {
    soon("a record", || match consumer.poll(Duration::from_millis(100)).unwrap()? {
        GroupEvent::Record(record) => {
            *from = record.offset + 1;
            Some(values(&[record]).remove(0))
        }
        GroupEvent::Assigned(partitions, _) => {
            let positions: Vec<_> = partitions.into_iter().map(|partition| (partition, *from)).collect();
            consumer.assign(&positions).unwrap();
            None
        }
        GroupEvent::Revoked { .. } => {
            consumer.unassign().unwrap();
            None
        }
    })
}

#[test]
fn clients_go_on_after_a_restart() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    let kafka = Kafka::new(config(&broker, "restart"));
    create(&kafka, "in", 1, Cleanup::Delete);
    let in_0 = place("in", 0);
    let mut consumer = consumer(&kafka, &["in"]);
    assigned_from_beginning(&mut *consumer);
    let elsewhere = Kafka::new(config(&broker, "restart-elsewhere"));
    create(&elsewhere, "in", 1, Cleanup::Delete);
    let mut leaving = crate::cluster::consumer(&elsewhere, &["in"]);
    assigned_from_beginning(&mut *leaving);
    let mut reader = kafka.reader("app").unwrap();
    reader.assign(&[(in_0.clone(), 0)]).unwrap();
    let writer = kafka.writer().unwrap();
    let mut producer = producer(&kafka, "p");
    producer.begin().unwrap();
    producer.send(record(&in_0, "k", "before"), None).unwrap();
    producer.commit().unwrap();
    let before = records(&mut *consumer, 1);
    assert_eq!(values(&before), ["before"]);
    let mut connected = kafka.admin().unwrap();
    let id = connected.cluster_id().unwrap();

    broker.stop().unwrap();
    let start = Instant::now();
    assert!(consumer.poll(Duration::from_secs(1)).unwrap().is_none(), "an outage is no error of a consumer");
    assert_eq!(reader.watermarks(std::slice::from_ref(&in_0)).unwrap_err().kind, ErrorKind::Retriable);
    let mut admin = kafka.admin().unwrap();
    assert_eq!(admin.cluster_id().unwrap_err().kind, ErrorKind::Retriable);
    assert_eq!(admin.describe(&["in".into()]).unwrap_err().kind, ErrorKind::Retriable);
    assert_eq!(admin.delete_records(&[(in_0.clone(), 0)]).unwrap_err().kind, ErrorKind::Retriable);
    for admin in [&mut connected, &mut admin] {
        assert_eq!(admin.members("app").unwrap_err().kind, ErrorKind::Retriable);
    }
    leaving.close();
    let begun = producer.begin();
    let ended = begun
        .and_then(|()| producer.send(record(&in_0, "k", "into nothing"), None))
        .and_then(|()| producer.commit());
    assert_eq!(ended.unwrap_err().kind, ErrorKind::Abortable, "the record never went out");
    assert_eq!(producer.abort().unwrap_err().kind, ErrorKind::Fenced, "nobody tells whether it was aborted");
    assert!(start.elapsed() < PATIENCE, "nothing hangs");
    drop(producer);
    let (tell, told) = mpsc::channel();
    writer.send(record(&in_0, "k", "waits"), Box::new(move |offset| tell.send(offset).unwrap()));

    broker.restart().unwrap();
    for admin in [&mut connected, &mut admin] {
        assert_eq!(soon("its id", || admin.cluster_id().ok()), id);
        assert!(soon("the topic", || admin.describe(&["in".into()]).ok())[0].is_some());
        soon("the members", || admin.members("app").ok());
        soon("a leader", || admin.delete_records(&[(in_0.clone(), 0)]).ok());
    }
    let waited = told.recv_timeout(PATIENCE).unwrap();
    write_at_last(&kafka, &record(&in_0, "k", "after"));
    let mut from = before[0].offset + 1;
    let mut next = next_value(&mut *consumer, &mut from);
    // One that was given up may be there or not: on a slow machine the broker comes back too late for it.
    if waited.is_ok() || next == "waits" {
        assert_eq!(next, "waits");
        next = next_value(&mut *consumer, &mut from);
    }
    assert_eq!(next, "after");
}

/// Writes records in transactions of one producer, which is never replaced, until `is_enough`; one that was aborted is
/// begun again with the same record. The values that were committed.
fn transactions(
    producer: &mut dyn TransactionalProducer,
    from: usize,
    mut is_enough: impl FnMut(usize) -> bool,
) -> Vec<String> {
    let mut committed = Vec::new();
    while !is_enough(committed.len()) {
        let value = (from + committed.len()).to_string();
        producer.begin().unwrap();
        let sent = producer.send(record(&place("in", 0), "k", &value), None);
        match sent.and_then(|()| producer.commit()) {
            Ok(()) => committed.push(value),
            Err(error) if error.kind == ErrorKind::Abortable => producer.abort().unwrap(),
            Err(error) => panic!("{value}: {error}"),
        }
    }
    committed
}

#[track_caller]
fn check_committed(kafka: &Kafka, committed: &[String]) {
    let mut reader = kafka.reader("app").unwrap();
    reader.assign(&[(place("in", 0), 0)]).unwrap();
    assert_eq!(values(&read(&mut *reader, committed.len())), committed);
    let end = retried("the end", || reader.watermarks(&[place("in", 0)]))[0].high;
    soon("nothing more", || {
        assert!(reader.poll(Duration::from_millis(100)).unwrap().is_none());
        (reader.position(&place("in", 0)).unwrap() == Some(end)).then_some(())
    });
}

#[test]
fn a_producer_outlives_restarts_of_its_broker() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    // A slow machine's broker takes its time to come back.
    let transaction_timeout = Duration::from_secs(30);
    let kafka = Kafka::new(KafkaConfig { transaction_timeout, ..config(&broker, "in-the-midst") });
    create(&kafka, "in", 1, Cleanup::Delete);
    let mut producer = producer(&kafka, "p");
    let mut committed = transactions(&mut *producer, 0, |count| count == 100);
    for is_killed in [false, true] {
        let (begun, has_begun) = mpsc::channel();
        let is_back = AtomicBool::new(false);
        let of_round = thread::scope(|scope| {
            let from = committed.len();
            let (producer, is_back) = (&mut producer, &is_back);
            let writing = scope.spawn(move || {
                transactions(&mut **producer, from, |count| {
                    if count == 100 {
                        begun.send(()).unwrap();
                    }
                    count > 200 && is_back.load(Ordering::Relaxed)
                })
            });
            has_begun.recv_timeout(PATIENCE).unwrap();
            let start = Instant::now();
            if is_killed { broker.kill() } else { broker.stop() }.unwrap();
            broker.restart().unwrap();
            println!("away for {:?}", start.elapsed());
            is_back.store(true, Ordering::Relaxed);
            writing.join().unwrap()
        });
        committed.extend(of_round);
    }
    check_committed(&kafka, &committed);
}

#[test]
fn a_transaction_whose_end_is_not_answered_is_ended_all_the_same() {
    const ROUNDS: usize = 5;
    let proxy = Proxy::new();
    let mut settings = Config::from_env();
    settings.settings.insert("advertised.listeners".to_string(), format!("BROKER://{}", proxy.address()));
    let broker = LocalKafka::start(settings).unwrap();
    proxy.lead_to(broker.bootstrap_servers());
    let kafka = Kafka::new(KafkaConfig::new(proxy.address()));
    create(&kafka, "in", 1, Cleanup::Delete);
    let mut producer = producer(&kafka, "p");
    let mut committed = Vec::new();
    for round in 0..ROUNDS {
        for is_committed in [true, false] {
            let value = format!("{round}, {is_committed}");
            producer.begin().unwrap();
            producer.send(record(&place("in", 0), "k", &value), None).unwrap();
            producer.flush().unwrap();
            proxy.cut();
            let start = Instant::now();
            if is_committed { producer.commit() } else { producer.abort() }.unwrap();
            println!("ended in {:?}", start.elapsed());
            assert!(!proxy.is_cutting(), "its answer was lost");
            committed.extend(is_committed.then_some(value));
        }
    }
    check_committed(&kafka, &committed);
}

#[test]
fn nothing_hangs_while_a_broker_does_not_answer() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    let kafka = Kafka::new(config(&broker, "paused"));
    create(&kafka, "in", 1, Cleanup::Delete);
    let in_0 = place("in", 0);
    let mut consumer = consumer(&kafka, &["in"]);
    assigned_from_beginning(&mut *consumer);
    let mut producer = producer(&kafka, "p");
    let mut reader = kafka.reader("app").unwrap();
    let offsets = [(in_0.clone(), 0)];
    reader.committed(std::slice::from_ref(&in_0)).unwrap();
    producer.begin().unwrap();
    producer.send(record(&in_0, "k", "a"), None).unwrap();
    producer.flush().unwrap();

    pause(&mut broker);
    let start = Instant::now();
    assert_eq!(producer.commit().unwrap_err().kind, ErrorKind::Fenced, "the outcome is not known");
    drop(producer);
    assert_eq!(reader.committed(std::slice::from_ref(&in_0)).unwrap_err().kind, ErrorKind::Retriable);
    drop(reader);
    let mut late = kafka.producer("q").unwrap();
    assert_eq!(late.init_transactions().unwrap_err().kind, ErrorKind::Retriable);
    assert_eq!(consumer.commit(&offsets).unwrap_err().kind, ErrorKind::Fenced, "it may take place yet");
    assert_eq!(consumer.poll(Duration::ZERO).unwrap_err().kind, ErrorKind::Fenced, "of no more use");
    consumer.close();
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());

    broker.resume().unwrap();
    write_at_last(&kafka, &record(&in_0, "k", "b"));
    soon("the producer to begin at last", || late.init_transactions().ok());
    let (partitions, _) = assignment(&mut *crate::cluster::consumer(&kafka, &["in"]));
    assert_eq!(partitions, [in_0], "the one that was given up has left");
}

#[test]
fn offsets_are_not_sent_for_ever() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    let kafka = Kafka::new(config(&broker, "offsets"));
    create(&kafka, "in", 1, Cleanup::Delete);
    let in_0 = place("in", 0);
    let mut consumer = consumer(&kafka, &["in"]);
    let metadata = assigned_from_beginning(&mut *consumer);
    let mut producer = producer(&kafka, "p");
    producer.begin().unwrap();

    pause(&mut broker);
    let start = Instant::now();
    let unanswered = producer.send_offsets(&[(in_0.clone(), 0)], &metadata).unwrap_err();
    assert_eq!(unanswered.kind, ErrorKind::Abortable, "{unanswered}");
    assert_eq!(producer.abort().unwrap_err().kind, ErrorKind::Fenced);
    drop(producer);
    // Its session has timed out, and the revocation waits to be polled.
    thread::sleep(Duration::from_secs(8).saturating_sub(start.elapsed()));
    consumer.close();
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
}

/// Returns when the last thread of the broker has stopped.
pub(crate) fn pause(broker: &mut LocalKafka) {
    broker.pause().unwrap();
    let tasks = format!("/proc/{}/task", broker.pid().unwrap());
    soon("all threads to stop", || {
        let mut stats = fs::read_dir(&tasks)
            .unwrap()
            .map(|task| fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
        // The state follows the bracketed name.
        stats.all(|stat| stat.contains(") T ")).then_some(())
    });
}

#[test]
fn without_a_broker_clients_say_so() {
    let kafka = Kafka::new(KafkaConfig::new("127.0.0.1:1"));
    let start = Instant::now();
    let membership = Membership { group: "app".to_string(), client_id: "test".to_string() };
    assert_eq!(kafka.consumer(&membership).err().unwrap().kind, ErrorKind::Retriable);
    assert_eq!(kafka.producer("p").err().unwrap().kind, ErrorKind::Retriable);
    assert_eq!(kafka.reader("app").err().unwrap().kind, ErrorKind::Retriable);
    assert!(start.elapsed() < PATIENCE, "nothing hangs");
}
