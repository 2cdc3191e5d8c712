//! Members that speak Kafka's protocol themselves: with others in a group, with other writers, without brokers.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use local_kafka::{Config, LocalKafka};
use streams::kafka::{Kafka, KafkaConfig};
use streams::{Cleanup, ClientSupplier, ErrorKind, GroupEvent};

use crate::cluster::{
    Cluster, PATIENCE, assigned_from_beginning, assignment, config, consumer, create, event, place, record,
    records, soon, values,
};
use crate::groups::step;
use crate::outages::pause;

/// The same cluster through librdkafka: a setting of its own asks for that.
pub(crate) fn through_librdkafka(cluster: &Cluster, name: &str, value: &str) -> Kafka {
    let client_settings = vec![(name.to_string(), value.to_string())];
    Kafka::new(KafkaConfig { client_settings, ..cluster.config.clone() })
}

/// Has both members join one after the other, and the first, which leads the group, leave.
#[track_caller]
fn check_shared(cluster: &Cluster, first: &Kafka, second: &Kafka) {
    for topic in ["a", "b"] {
        cluster.create(topic, 3);
    }
    let (mut leader, mut of_leader) = (consumer(first, &["a", "b"]), Vec::new());
    soon("the first to have all", || {
        step(&mut *leader, &mut of_leader);
        (of_leader.len() == 6).then_some(())
    });
    let (mut follower, mut of_follower) = (consumer(second, &["b", "a"]), Vec::new());
    soon("both to have a part", || {
        step(&mut *leader, &mut of_leader);
        step(&mut *follower, &mut of_follower);
        (!of_leader.is_empty() && !of_follower.is_empty()).then_some(())
    });
    let mut all = [of_leader.clone(), of_follower.clone()].concat();
    all.sort();
    let expected = ["a", "b"].map(|topic| [0, 1, 2].map(|number| place(topic, number))).concat();
    assert_eq!(all, expected);
    for owned in [&of_leader, &of_follower] {
        let of_topic = |topic| -> Vec<i32> {
            owned.iter().filter(|of| &*of.topic == topic).map(|of| of.partition).collect()
        };
        assert_eq!(of_topic("a"), of_topic("b"), "what belongs together stays together");
    }
    leader.close();
    soon("the second to have all", || {
        step(&mut *follower, &mut of_follower);
        (of_follower.len() == 6).then_some(())
    });
    cluster.write(&place("a", 2), &["x"]);
    let read = soon("a record", || follower.poll(Duration::from_millis(100)).unwrap());
    assert!(matches!(read, GroupEvent::Record(record) if values(std::slice::from_ref(&record)) == ["x"]));
    follower.commit(&[(place("a", 2), 1)]).unwrap();
}

#[test]
fn a_group_led_by_librdkafka_is_shared() {
    let cluster = Cluster::of("led-by-librdkafka");
    check_shared(&cluster, &through_librdkafka(&cluster, "statistics.interval.ms", "0"), &cluster.kafka);
}

#[test]
fn a_group_with_members_of_librdkafka_is_led() {
    let cluster = Cluster::of("leads-librdkafka");
    check_shared(&cluster, &cluster.kafka, &through_librdkafka(&cluster, "statistics.interval.ms", "0"));
}

#[test]
fn records_come_in_order_however_they_are_compressed() {
    const COUNT: usize = 1_000;
    let cluster = Cluster::of("compressed");
    cluster.create("in", 2);
    let value = |codec: &str, number: usize| format!("{codec} {number} {}", "v".repeat(300));
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        let writer = through_librdkafka(&cluster, "compression.type", codec).writer().unwrap();
        let (tell, told) = mpsc::channel();
        for number in 0..COUNT {
            let tell = tell.clone();
            let record = record(&place("in", (number % 2) as i32), "k", &value(codec, number));
            writer.send(record, Box::new(move |delivered| tell.send(delivered).unwrap()));
        }
        for _ in 0..COUNT {
            told.recv_timeout(PATIENCE).unwrap().unwrap();
        }
    }
    // Larger than what is asked for of a partition at a time.
    cluster.write(&place("in", 0), &["x".repeat(900_000).as_str(), "last"]);

    let mut member = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *member);
    let mut by_partition: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    let mut next = BTreeMap::new();
    for record in records(&mut *member, codecs.len() * COUNT + 2) {
        let next: &mut i64 = next.entry(record.partition).or_default();
        assert_eq!(record.offset, *next, "{}", record.partition);
        *next += 1;
        by_partition.entry(record.partition).or_default().extend(values(&[record]));
    }
    for (partition, found) in by_partition {
        let of_partition =
            |codec| (0..COUNT).filter(move |n| *n as i32 % 2 == partition).map(move |n| value(codec, n));
        let mut expected: Vec<String> = codecs.into_iter().flat_map(of_partition).collect();
        if partition == 0 {
            expected.extend(["x".repeat(900_000), "last".to_string()]);
        }
        assert!(found == expected, "partition {partition}");
        assert_eq!(member.position(&place("in", partition)).unwrap(), Some(found.len() as i64));
    }
}

#[test]
fn a_topic_that_comes_later_is_given_out() {
    let cluster = Cluster::of("later");
    cluster.create("in", 1);
    let (mut member, mut owned) = (cluster.consumer(&["in", "later"]), Vec::new());
    soon("what there is", || {
        step(&mut *member, &mut owned);
        (!owned.is_empty()).then_some(())
    });
    assert_eq!(owned, [place("in", 0)]);
    cluster.create("later", 2);
    soon("what has come", || {
        step(&mut *member, &mut owned);
        (owned.len() == 3).then_some(())
    });
    cluster.write(&place("later", 1), &["x"]);
    let read = soon("a record", || member.poll(Duration::from_millis(100)).unwrap());
    assert!(matches!(read, GroupEvent::Record(record) if (&*record.topic, record.partition) == ("later", 1)));
}

#[test]
fn a_subscription_can_change() {
    let cluster = Cluster::of("changes");
    cluster.create("a", 1);
    cluster.create("b", 1);
    let mut member = cluster.consumer(&["a"]);
    assigned_from_beginning(&mut *member);
    member.subscribe(&["b".into()]).unwrap();
    let told = event(&mut *member);
    assert!(matches!(told, GroupEvent::Revoked { lost: false }), "{told:?}");
    member.unassign().unwrap();
    let (partitions, _) = assignment(&mut *member);
    assert_eq!(partitions, [place("b", 0)]);
}

#[test]
fn a_member_leaves_while_it_joins() {
    let cluster = Cluster::of("leaves");
    cluster.create("in", 1);
    let mut first = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *first);
    let mut joining = cluster.consumer(&["in"]);
    let told = soon("a revocation", || first.poll(Duration::from_millis(50)).unwrap());
    assert!(matches!(told, GroupEvent::Revoked { lost: false }), "{told:?}");
    assert!(joining.poll(Duration::ZERO).unwrap().is_none(), "the first one has not answered");

    let start = Instant::now();
    joining.close();
    first.unassign().unwrap();
    let (partitions, _) = assignment(&mut *first);
    assert_eq!(partitions, [place("in", 0)]);
    assert!(start.elapsed() < Duration::from_secs(4), "the group waits for nobody: {:?}", start.elapsed());
}

#[test]
fn what_cannot_be_read_is_named() {
    let cluster = Cluster::of("unreadable");
    cluster.create("in", 2);
    cluster.write(&place("in", 0), &["a", "b"]);
    cluster.write(&place("in", 1), &["x", "y"]);
    cluster.kafka.admin().unwrap().delete_records(&[(place("in", 0), 1)]).unwrap();
    let mut member = cluster.consumer(&["in"]);
    assignment(&mut *member);

    member.assign(&[(place("in", 0), 0), (place("in", 1), 0)]).unwrap();
    let (mut failures, mut read) = (Vec::new(), 0);
    while failures.is_empty() || read < 2 {
        match member.poll(Duration::from_millis(100)) {
            Ok(event) => read += usize::from(event.is_some()),
            Err(failure) => failures.push(failure),
        }
    }
    assert_eq!(failures[0].kind, ErrorKind::OffsetOutOfRange);
    assert!(failures[0].to_string().contains("in-0 at offset 0"), "{}", failures[0]);
    assert!(member.poll(Duration::from_millis(300)).unwrap().is_none(), "it was said once");

    member.assign(&[(place("in", 7), 0), (place("in", 1), 1)]).unwrap();
    let failure = soon("a failure", || member.poll(Duration::from_millis(100)).err());
    assert_eq!(failure.kind, ErrorKind::Retriable);
    assert!(failure.to_string().contains("the topic has 2 partitions"), "{failure}");
    assert_eq!(values(&records(&mut *member, 1)), ["y"], "the others go on");
}

#[test]
fn a_member_that_nobody_hears_has_lost_its_partitions() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    let kafka = Kafka::new(config(&broker, "unheard"));
    create(&kafka, "in", 1, Cleanup::Delete);
    let mut member = consumer(&kafka, &["in"]);
    assigned_from_beginning(&mut *member);

    pause(&mut broker);
    let told = event(&mut *member);
    assert!(matches!(told, GroupEvent::Revoked { lost: true }), "{told:?}");
    member.unassign().unwrap();
    assert!(member.poll(Duration::from_millis(300)).unwrap().is_none());
    broker.resume().unwrap();
    let (partitions, _) = assignment(&mut *member);
    assert_eq!(partitions, [place("in", 0)], "it has come back");
    member.assign(&[(place("in", 0), 0)]).unwrap();
    member.commit(&[(place("in", 0), 0)]).unwrap();

    pause(&mut broker);
    let start = Instant::now();
    member.close();
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
}
