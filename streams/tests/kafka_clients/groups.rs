//! Coming into a group, and leaving it.

use std::time::{Duration, Instant};

use streams::kafka::{Kafka, KafkaConfig};
use streams::{ErrorKind, GroupConsumer, GroupEvent, TopicPartition};

use crate::cluster::{
    Cluster, PATIENCE, assigned_from_beginning, assignment, consumer, event, place, records, soon, values,
};

/// A member that does what a worker does: answers, with its partitions from the beginning.
pub(crate) fn step(consumer: &mut dyn GroupConsumer, owned: &mut Vec<TopicPartition>) {
    match consumer.poll(Duration::from_millis(20)).unwrap() {
        Some(GroupEvent::Assigned(partitions, _)) => {
            assert_eq!(owned, &[], "everything was revoked before");
            consumer.assign(&[]).unwrap();
            let positions: Vec<_> = partitions.iter().map(|partition| (partition.clone(), 0)).collect();
            consumer.assign(&positions).unwrap();
            *owned = partitions;
        }
        Some(GroupEvent::Revoked { lost }) => {
            assert!(!lost, "the members do nothing wrong");
            consumer.unassign().unwrap();
            owned.clear();
        }
        Some(GroupEvent::Record(_)) | None => {}
    }
}

#[test]
fn partitions_are_handed_over() {
    let cluster = Cluster::of("handover");
    for topic in ["a", "b"] {
        cluster.create(topic, 4);
    }
    let (mut first, mut of_first) = (cluster.consumer(&["a", "b"]), Vec::new());
    let (mut second, mut of_second) = (cluster.consumer(&["a", "b"]), Vec::new());
    soon("both to have half", || {
        step(&mut *first, &mut of_first);
        step(&mut *second, &mut of_second);
        (of_first.len() == 4 && of_second.len() == 4).then_some(())
    });
    for owned in [&of_first, &of_second] {
        let of_topic = |topic| -> Vec<i32> {
            owned.iter().filter(|of| &*of.topic == topic).map(|of| of.partition).collect()
        };
        assert_eq!(of_topic("a"), of_topic("b"), "what belongs together stays together");
    }

    let start = Instant::now();
    first.close();
    soon("the second to have all", || {
        step(&mut *second, &mut of_second);
        (of_second.len() == 8).then_some(())
    });
    assert!(start.elapsed() < Duration::from_secs(4), "leaving does not wait for the session to time out");
}

#[test]
fn an_assignment_can_grow_while_the_group_lives_on() {
    let cluster = Cluster::of("grows");
    cluster.create("in", 2);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    cluster.write(&in_0, &["a", "b"]);
    cluster.write(&in_1, &["x"]);
    let mut consumer = cluster.consumer(&["in"]);
    assignment(&mut *consumer);
    consumer.assign(&[]).unwrap();
    // Longer than the session lasts: the member has nothing to read and stays.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(8) {
        let event = consumer.poll(Duration::from_millis(500)).unwrap();
        assert!(event.is_none(), "{event:?}");
    }
    consumer.assign(&[(in_0.clone(), 0)]).unwrap();
    assert_eq!(values(&records(&mut *consumer, 2)), ["a", "b"]);
    consumer.assign(&[(in_0.clone(), 2), (in_1.clone(), 0)]).unwrap();
    assert_eq!(values(&records(&mut *consumer, 1)), ["x"]);
    consumer.commit(&[(in_1.clone(), 1)]).unwrap();
}

#[test]
fn a_rebalance_reaches_a_member_that_changes_its_assignment_all_the_time() {
    let cluster = Cluster::of("restless");
    cluster.create("in", 2);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    cluster.write(&in_0, &["a"]);
    let mut restless = cluster.consumer(&["in"]);
    assignment(&mut *restless);
    restless.assign(&[]).unwrap();
    let (mut other, mut owned) = (cluster.consumer(&["in"]), Vec::new());
    soon("a revocation", || {
        restless.assign(&[(in_0.clone(), 0), (in_1.clone(), 0)]).unwrap();
        step(&mut *other, &mut owned);
        matches!(restless.poll(Duration::ZERO).unwrap(), Some(GroupEvent::Revoked { lost: false }))
            .then_some(())
    });
    restless.unassign().unwrap();
    let mut of_restless = Vec::new();
    soon("both to have one", || {
        step(&mut *restless, &mut of_restless);
        step(&mut *other, &mut owned);
        (of_restless.len() == 1 && owned.len() == 1).then_some(())
    });
}

#[test]
fn closing_does_not_wait_for_an_answer_that_was_never_given() {
    let cluster = Cluster::of("unanswered");
    cluster.create("in", 1);
    let started = Instant::now();

    let mut never_polled = cluster.consumer(&["in"]);
    never_polled.close();

    let mut unanswered_assignment = cluster.consumer(&["in"]);
    assignment(&mut *unanswered_assignment);
    unanswered_assignment.close();

    let mut unanswered_revocation = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *unanswered_revocation);
    let mut other = cluster.consumer(&["in"]);
    let revoked = soon("a revocation", || {
        other.poll(Duration::ZERO).unwrap();
        unanswered_revocation.poll(Duration::from_millis(50)).unwrap()
    });
    assert!(matches!(revoked, GroupEvent::Revoked { lost: false }), "{revoked:?}");
    drop(unanswered_revocation);

    let (partitions, _) = assignment(&mut *other);
    assert_eq!(partitions, [place("in", 0)], "the others are gone");
    other.assign(&[]).unwrap();
    let mut successor = cluster.consumer(&["in"]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        let early = successor.poll(Duration::from_millis(100)).unwrap();
        assert!(early.is_none(), "the first one has yet to give up what it has: {early:?}");
    }
    // It does not know yet that it should.
    other.close();
    let (partitions, _) = assignment(&mut *successor);
    assert_eq!(partitions, [place("in", 0)]);
    other.close();
    assert_eq!(other.poll(Duration::ZERO).unwrap_err().kind, ErrorKind::Fatal, "closed is closed");
    assert!(started.elapsed() < PATIENCE);
}

/// A member with at most 6 s between two polls, who has all partitions.
fn lazy_member(cluster: &Cluster) -> Box<dyn GroupConsumer> {
    let config = KafkaConfig { max_poll_interval: Duration::from_secs(6), ..cluster.config.clone() };
    let mut lazy = consumer(&Kafka::new(config), &["in"]);
    assigned_from_beginning(&mut *lazy);
    lazy
}

#[test]
fn a_member_that_does_not_poll_loses_its_partitions() {
    let cluster = Cluster::of("lazy");
    cluster.create("in", 1);
    let mut lazy = lazy_member(&cluster);
    let refused = soon("a refusal", || lazy.commit(&[(place("in", 0), 1)]).err());
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
    let told = event(&mut *lazy);
    assert!(matches!(told, GroupEvent::Revoked { lost: true }), "{told:?}");
    lazy.unassign().unwrap();
    let (partitions, _) = assignment(&mut *lazy);
    assert_eq!(partitions, [place("in", 0)], "it may come back");
}

#[test]
fn a_member_that_misses_a_rebalance_cannot_commit() {
    let cluster = Cluster::of("missed");
    cluster.create("in", 1);
    let mut lazy = lazy_member(&cluster);
    let mut other = cluster.consumer(&["in"]);
    let (partitions, _) = assignment(&mut *other);
    assert_eq!(partitions, [place("in", 0)]);
    other.assign(&[(place("in", 0), 0)]).unwrap();

    let refused = lazy.commit(&[(place("in", 0), 1)]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
    // Queued when the rebalance began: what became of it later librdkafka does not add.
    let told = event(&mut *lazy);
    assert!(matches!(told, GroupEvent::Revoked { lost: false }), "{told:?}");
}
