//! Who may commit.

use std::time::Duration;

use streams::{ClientSupplier, ErrorKind, GroupConsumer, GroupEvent, GroupMetadata, TopicPartition};

use crate::cluster::{
    Cluster, assigned_from_beginning, assignment, event, marked, place, read, record, retried, values,
};

#[test]
fn a_later_producer_fences_the_earlier_one() {
    let cluster = Cluster::of("zombie");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    let mut zombie = cluster.producer("p");
    zombie.begin().unwrap();
    zombie.send(record(&in_0, "k", "of the zombie"), None).unwrap();
    zombie.flush().unwrap();

    let mut producer = cluster.producer("p");
    producer.begin().unwrap();
    producer.send(record(&in_0, "k", "of its successor"), None).unwrap();
    producer.commit().unwrap();
    assert_eq!(zombie.commit().unwrap_err().kind, ErrorKind::Fenced);

    let mut reader = cluster.reader();
    reader.assign(&[(in_0.clone(), 0)]).unwrap();
    assert_eq!(values(&read(&mut *reader, 1)), ["of its successor"]);
}

#[test]
fn a_membership_is_void_once_the_group_has_gone_on() {
    let cluster = Cluster::of("stale");
    cluster.create("in", 2);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    let mut first = cluster.consumer(&["in"]);
    let (_, stale) = assignment(&mut *first);
    first.assign(&[]).unwrap();
    let mut second = cluster.consumer(&["in"]);
    let (mut current, mut of_second) = (None, None);
    while current.is_none() || of_second.is_none() {
        current = step(&mut *first).or(current);
        of_second = step(&mut *second).or(of_second);
    }
    let (partitions, current) = current.unwrap();
    assert_eq!(partitions.len(), 1, "the other one is the second member's");

    let mut producer = cluster.producer("p");
    producer.begin().unwrap();
    let refused = producer.send_offsets(&[(in_0.clone(), 1)], &stale).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
    producer.abort().unwrap();

    producer.begin().unwrap();
    producer.send_offsets(&[(partitions[0].clone(), 5)], &current).unwrap();
    producer.commit().unwrap();
    let mut reader = cluster.reader();
    let committed = retried("offsets", || reader.committed(&[in_0.clone(), in_1.clone()]));
    assert_eq!(committed.iter().flatten().collect::<Vec<_>>(), [&5]);
}

/// Each transaction has an epoch of its own, of which there are 32,767: then the broker hands out another producer id.
#[test]
#[ignore = "takes minutes"]
fn a_producer_outlives_its_epochs() {
    const ROUNDS: i64 = 2 * (i16::MAX as i64) + 1_000;
    let cluster = Cluster::of("epochs");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    let mut producer = cluster.producer("p");
    let mut last = -1;
    for round in 0..ROUNDS {
        producer.begin().unwrap();
        producer.send(record(&in_0, "k", &round.to_string()), Some(0)).unwrap();
        let written = producer.flush().unwrap();
        assert!(matches!(written[..], [(0, offset)] if offset > last), "{written:?} after {last}");
        last = written[0].1;
        producer.commit().unwrap();
    }
    let mut reader = cluster.reader();
    reader.assign(&[(in_0.clone(), last)]).unwrap();
    assert_eq!(values(&read(&mut *reader, 1)), [(ROUNDS - 1).to_string()]);
    // Each has a record and a marker, and nothing else is there.
    marked(&mut *reader, &in_0, 2 * ROUNDS);
}

/// Answers one event, if there is one; the assignment when it is one.
fn step(consumer: &mut dyn GroupConsumer) -> Option<(Vec<TopicPartition>, GroupMetadata)> {
    match consumer.poll(Duration::from_millis(50)).unwrap()? {
        GroupEvent::Assigned(partitions, metadata) => {
            consumer.assign(&[]).unwrap();
            Some((partitions, metadata))
        }
        GroupEvent::Revoked { .. } => {
            consumer.unassign().unwrap();
            None
        }
        GroupEvent::Record(_) => None,
    }
}

#[test]
fn a_member_commits_by_itself() {
    let cluster = Cluster::of("alone");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    cluster.write(&in_0, &["a"]);
    let mut consumer = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *consumer);
    event(&mut *consumer);
    consumer.commit(&[(in_0.clone(), 1)]).unwrap();
    let mut reader = cluster.kafka.reader("app").unwrap();
    assert_eq!(retried("offsets", || reader.committed(std::slice::from_ref(&in_0))), [Some(1)]);
}
