//! What is committed, and by whom.

use std::time::Duration;

use streams::{Cleanup, ErrorKind, ProducerRecord};

use crate::steps::{
    assigned_from_beginning, begun, create, create_in, ends, event, marked, member, place, producer,
    reader_at, record, value, values, write,
};
use crate::world::{TRANSACTION_TIMEOUT, WAIT, World, never, until};

pub(crate) fn committed_records_are_visible_and_aborted_ones_are_not(world: &dyn World) {
    let in_0 = create_in(world);
    let mut producer = producer(world, "p");
    for (value, is_committed) in [("a", true), ("b", false), ("c", true)] {
        begun(&mut *producer, &in_0, value);
        if is_committed { producer.commit().unwrap() } else { producer.abort().unwrap() }
    }
    assert_eq!(values(world, &mut *reader_at(world, &in_0, 0), 2), ["a", "c"]);
    let mut member = member(world, &["in"]);
    assigned_from_beginning(world, &mut *member);
    let read: Vec<_> = (0..2).map(|_| event(world, &mut *member)).collect();
    let read: Vec<_> = read
        .iter()
        .map(|event| match event {
            streams::GroupEvent::Record(record) => value(record),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read, ["a", "c"], "to a member of a group, too");
    // Each transaction has a record and a marker.
    marked(world, &in_0, 6);
}

pub(crate) fn an_open_transaction_holds_back_the_last_stable_offset(world: &dyn World) {
    let in_0 = create_in(world);
    write(world, &in_0, &["before"]);
    let mut producer = producer(world, "p");
    begun(&mut *producer, &in_0, "within");
    write(world, &in_0, &["behind"]);

    assert_eq!(ends(world, &in_0).high, 3, "the end counts what is open");
    let mut reader = reader_at(world, &in_0, 0);
    let stable =
        |reader: &mut dyn streams::Reader| reader.last_stable_offsets(std::slice::from_ref(&in_0)).unwrap();
    assert_eq!(stable(&mut *reader), [1]);
    assert_eq!(values(world, &mut *reader, 1), ["before"]);
    never(world, "beyond the last stable offset", || reader.poll(WAIT).unwrap());
    assert_eq!(reader.position(&in_0).unwrap(), Some(1));
    producer.commit().unwrap();
    assert_eq!(values(world, &mut *reader, 2), ["within", "behind"]);
    marked(world, &in_0, 4);
    until(world, "the last stable offset", || (stable(&mut *reader) == [4]).then_some(()));
}

pub(crate) fn records_of_two_open_transactions_wait_for_the_earlier_one(world: &dyn World) {
    let in_0 = create_in(world);
    let (mut first, mut second) = (producer(world, "first"), producer(world, "second"));
    begun(&mut *first, &in_0, "a");
    begun(&mut *second, &in_0, "b");
    let mut reader = reader_at(world, &in_0, 0);
    second.commit().unwrap();
    never(world, "behind an open transaction", || reader.poll(WAIT).unwrap());
    first.abort().unwrap();
    assert_eq!(values(world, &mut *reader, 1), ["b"]);
}

pub(crate) fn a_zombie_is_fenced(world: &dyn World) {
    let in_0 = create_in(world);
    let mut zombie = producer(world, "p");
    begun(&mut *zombie, &in_0, "of the zombie");
    let mut successor = producer(world, "p");
    begun(&mut *successor, &in_0, "of its successor");
    successor.commit().unwrap();
    assert_eq!(zombie.commit().unwrap_err().kind, ErrorKind::Fenced);

    begun(&mut *successor, &in_0, "last");
    successor.commit().unwrap();
    let mut reader = reader_at(world, &in_0, 0);
    assert_eq!(values(world, &mut *reader, 2), ["of its successor", "last"]);
}

/// librdkafka says of records that never left it only that; the transaction's end says more.
pub(crate) fn a_zombie_that_begins_is_fenced_at_the_end(world: &dyn World) {
    let in_0 = create_in(world);
    let mut zombie = producer(world, "p");
    producer(world, "p");
    zombie.begin().unwrap();
    zombie.send(record(&in_0, "k", "v"), None).unwrap();
    let refused = zombie.flush().unwrap_err().kind;
    assert!(matches!(refused, ErrorKind::Abortable | ErrorKind::Fenced), "{refused:?}");
    assert_eq!(zombie.abort().unwrap_err().kind, ErrorKind::Fenced);
    assert_eq!(zombie.begin().unwrap_err().kind, ErrorKind::Fenced);
    assert_eq!(ends(world, &in_0).high, 0);
}

pub(crate) fn a_zombie_that_goes_on_is_fenced_at_once(world: &dyn World) {
    let in_0 = create_in(world);
    let mut zombie = producer(world, "p");
    begun(&mut *zombie, &in_0, "v");
    producer(world, "p");
    zombie.send(record(&in_0, "k", "v"), None).unwrap();
    assert_eq!(zombie.flush().unwrap_err().kind, ErrorKind::Fenced);
    assert_eq!(zombie.abort().unwrap_err().kind, ErrorKind::Fenced);
    assert_eq!(ends(world, &in_0).high, 2, "a record, and the marker of its abortion");
}

pub(crate) fn a_zombie_cannot_abort(world: &dyn World) {
    let in_0 = create_in(world);
    let mut zombie = producer(world, "p");
    begun(&mut *zombie, &in_0, "of the zombie");
    let mut successor = producer(world, "p");
    begun(&mut *successor, &in_0, "of its successor");
    assert_eq!(zombie.abort().unwrap_err().kind, ErrorKind::Fenced);
    successor.commit().unwrap();
    assert_eq!(values(world, &mut *reader_at(world, &in_0, 0), 1), ["of its successor"]);
}

pub(crate) fn a_new_producer_ends_what_the_dead_one_left_open(world: &dyn World) {
    let in_0 = create_in(world);
    let mut dead = producer(world, "p");
    begun(&mut *dead, &in_0, "left open");
    write(world, &in_0, &["behind"]);
    let mut reader = reader_at(world, &in_0, 0);
    never(world, "behind an open transaction", || reader.poll(WAIT).unwrap());
    let start = world.now();
    producer(world, "p");
    assert_eq!(values(world, &mut *reader, 1), ["behind"]);
    assert!(world.now().since(start) < Duration::from_secs(3), "nobody waits for the timeout");
    assert_eq!(ends(world, &in_0).high, 3, "two records and a marker");
}

pub(crate) fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(world: &dyn World) {
    let in_0 = create_in(world);
    let mut slow = producer(world, "p");
    let start = world.now();
    begun(&mut *slow, &in_0, "too late");
    write(world, &in_0, &["behind"]);
    let mut reader = reader_at(world, &in_0, 0);
    assert_eq!(values(world, &mut *reader, 1), ["behind"]);
    let waited = world.now().since(start);
    assert!(waited >= TRANSACTION_TIMEOUT, "{waited:?}");
    assert!(waited < TRANSACTION_TIMEOUT + Duration::from_secs(6), "{waited:?}");
    assert_eq!(slow.commit().unwrap_err().kind, ErrorKind::Fenced);

    let mut next = producer(world, "p");
    begun(&mut *next, &in_0, "in time");
    next.commit().unwrap();
    assert_eq!(values(world, &mut *reader, 1), ["in time"]);
}

pub(crate) fn an_empty_transaction_leaves_nothing(world: &dyn World) {
    let in_0 = create_in(world);
    let mut producer = producer(world, "p");
    producer.begin().unwrap();
    producer.commit().unwrap();
    producer.begin().unwrap();
    producer.abort().unwrap();
    assert_eq!(ends(world, &in_0).high, 0);
}

/// Nobody asks the broker about it.
pub(crate) fn a_zombie_may_end_an_empty_transaction(world: &dyn World) {
    let mut zombie = producer(world, "p");
    producer(world, "p");
    zombie.begin().unwrap();
    zombie.commit().unwrap();
}

pub(crate) fn a_refused_record_fails_its_transaction_only(world: &dyn World) {
    create(world, "in", 1, Cleanup::Compact { min_lag: Duration::ZERO });
    let in_0 = place("in", 0);
    let mut producer = producer(world, "p");

    let keyless = ProducerRecord { key: None, ..record(&in_0, "", "no key") };
    for refused in [record(&in_0, "k", &"x".repeat(1_100_000)), keyless] {
        producer.begin().unwrap();
        producer.send(refused, None).unwrap();
        assert_eq!(producer.flush().unwrap_err().kind, ErrorKind::Refused);
        assert_eq!(producer.commit().unwrap_err().kind, ErrorKind::Refused, "it can only be aborted");
        producer.abort().unwrap();
    }

    begun(&mut *producer, &in_0, "good");
    producer.commit().unwrap();
    assert_eq!(values(world, &mut *reader_at(world, &in_0, 0), 1), ["good"]);
}

pub(crate) fn the_last_offset_of_each_slot_is_told(world: &dyn World) {
    create(world, "in", 2, Cleanup::Delete);
    let mut producer = producer(world, "p");
    let mut round = || {
        producer.begin().unwrap();
        for (partition, slot) in [(0, Some(3)), (0, Some(3)), (1, Some(0)), (1, None)] {
            producer.send(record(&place("in", partition), "k", "v"), slot).unwrap();
        }
        let told = producer.flush().unwrap();
        producer.commit().unwrap();
        told
    };
    let both_marked = |high| (0..2).for_each(|partition| marked(world, &place("in", partition), high));
    assert_eq!(round(), [(0, 0), (3, 1)]);
    both_marked(3);
    // Two records and a marker further on.
    assert_eq!(round(), [(0, 3), (3, 4)]);
    both_marked(6);
    assert_eq!(ends(world, &place("in", 0)).low, 0);
}
