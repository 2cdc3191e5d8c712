//! What a reader and a consumer are given.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use streams::{ClientSupplier, ErrorKind, Reader, Watermarks};

use crate::cluster::{
    Cluster, assigned_from_beginning, marked, place, read, record, records, retried, soon, values,
};

#[test]
fn aborted_records_are_hidden_and_committed_ones_are_not() {
    let cluster = Cluster::of("visible");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    let mut producer = cluster.producer("p");
    for (value, is_committed) in [("a", true), ("b", false), ("c", true)] {
        producer.begin().unwrap();
        producer.send(record(&in_0, "k", value), None).unwrap();
        producer.flush().unwrap();
        if is_committed { producer.commit().unwrap() } else { producer.abort().unwrap() }
    }

    let mut reader = cluster.reader();
    reader.assign(&[(in_0.clone(), 0)]).unwrap();
    assert_eq!(values(&read(&mut *reader, 2)), ["a", "c"]);
    let mut consumer = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *consumer);
    assert_eq!(values(&records(&mut *consumer, 2)), ["a", "c"]);
}

#[test]
fn an_open_transaction_counts_for_the_watermark_and_is_not_read() {
    let cluster = Cluster::of("open");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    cluster.write(&in_0, &["before"]);
    let mut producer = cluster.producer("p");
    producer.begin().unwrap();
    producer.send(record(&in_0, "k", "within"), None).unwrap();
    producer.flush().unwrap();
    cluster.write(&in_0, &["behind"]);

    let mut reader = cluster.reader();
    assert_eq!(reader.watermarks(std::slice::from_ref(&in_0)).unwrap(), [Watermarks { low: 0, high: 3 }]);
    reader.assign(&[(in_0.clone(), 0)]).unwrap();
    assert_eq!(values(&read(&mut *reader, 1)), ["before"]);
    let held_back = reader.poll(Duration::from_millis(500)).unwrap();
    assert_eq!(held_back, None, "it lies beyond the last stable offset");
    producer.commit().unwrap();
    assert_eq!(values(&read(&mut *reader, 2)), ["within", "behind"]);
}

#[test]
fn the_position_passes_control_records() {
    let cluster = Cluster::of("position");
    cluster.create("in", 2);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    let mut producer = cluster.producer("p");
    for is_committed in [true, false] {
        producer.begin().unwrap();
        producer.send(record(&in_0, "k", "v"), None).unwrap();
        producer.flush().unwrap();
        if is_committed { producer.commit().unwrap() } else { producer.abort().unwrap() }
    }

    let mut reader = cluster.reader();
    // A record and a marker of each transaction.
    marked(&mut *reader, &in_0, 4);
    assert_eq!(reader.watermarks(std::slice::from_ref(&in_1)).unwrap(), [Watermarks { low: 0, high: 0 }]);
    reader.assign(&[(in_0.clone(), 1), (in_1.clone(), 0)]).unwrap();
    assert_eq!(reader.position(&in_0).unwrap(), Some(1), "where it starts");
    assert_eq!(reader.position(&place("in", 7)).unwrap(), None, "not assigned");
    soon("the end", || {
        assert_eq!(
            reader.poll(Duration::from_millis(50)).unwrap(),
            None,
            "only control records and aborted ones"
        );
        (reader.position(&in_0).unwrap() == Some(4)).then_some(())
    });
    assert_eq!(reader.position(&in_1).unwrap(), Some(0), "an empty partition");

    let mut consumer = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *consumer);
    records(&mut *consumer, 1);
    soon("the end", || {
        consumer.poll(Duration::from_millis(50)).unwrap();
        (consumer.position(&in_0).unwrap() == Some(4)).then_some(())
    });
}

#[test]
fn pending_offsets_are_not_told() {
    let cluster = Cluster::of("pending");
    cluster.create("in", 2);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    let partitions = [in_0.clone(), in_1.clone()];
    cluster.write(&in_0, &["a", "b"]);
    let mut reader = cluster.reader();
    assert_eq!(retried("offsets", || reader.committed(&partitions)), [None, None]);

    let mut consumer = cluster.consumer(&["in"]);
    let metadata = assigned_from_beginning(&mut *consumer);
    let mut producer = cluster.producer("p");
    producer.begin().unwrap();
    producer.send_offsets(&[(in_0.clone(), 2)], &metadata).unwrap();
    let start = Instant::now();
    assert_eq!(reader.committed(&partitions).unwrap_err().kind, ErrorKind::Retriable);
    assert!(start.elapsed() < Duration::from_secs(10), "callers must be able to stop");
    producer.commit().unwrap();
    assert_eq!(retried("offsets", || reader.committed(&partitions)), [Some(2), None]);
}

#[test]
fn an_offset_that_is_gone_is_out_of_range() {
    let cluster = Cluster::of("gone");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    cluster.write(&in_0, &["a", "b", "c", "d"]);
    let mut admin = cluster.kafka.admin().unwrap();
    admin.delete_records(&[(in_0.clone(), 2)]).unwrap();
    admin.delete_records(&[(in_0.clone(), 1)]).unwrap();

    let mut reader = cluster.reader();
    assert_eq!(reader.watermarks(std::slice::from_ref(&in_0)).unwrap(), [Watermarks { low: 2, high: 4 }]);
    for (from, why) in [(0, "below the low watermark"), (9, "above the high one")] {
        reader.assign(&[(in_0.clone(), from)]).unwrap();
        assert_eq!(first_failure(&mut *reader), ErrorKind::OffsetOutOfRange, "{why}");
    }
    reader.assign(&[(in_0.clone(), 2)]).unwrap();
    assert_eq!(values(&read(&mut *reader, 2)), ["c", "d"]);
}

#[test]
fn assigning_again_drops_what_was_fetched() {
    let cluster = Cluster::of("again");
    cluster.create("in", 2);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    cluster.write(&in_0, &["a", "b", "c"]);
    cluster.write(&in_1, &["x"]);
    let mut reader = cluster.reader();
    reader.assign(&[(in_0.clone(), 0)]).unwrap();
    assert_eq!(values(&read(&mut *reader, 1)), ["a"]);
    reader.assign(&[(in_0.clone(), 2), (in_1.clone(), 0)]).unwrap();
    let mut both = values(&read(&mut *reader, 2));
    both.sort();
    assert_eq!(both, ["c", "x"]);
}

/// librdkafka ends the process when a partition is to be stopped before its last stop is done. Other threads have
/// to be in its way for that to happen.
#[test]
fn assigning_again_at_once_is_safe_on_a_busy_machine() {
    let cluster = Cluster::of("busy");
    cluster.create("in", 2);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    cluster.write(&in_0, &["a", "b", "c"]);
    let mut reader = cluster.reader();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    hint::spin_loop()
                }
            });
        }
        let _done = Done(&is_done);
        for round in 0..200 {
            reader.assign(&[(in_0.clone(), round % 3), (in_1.clone(), 0)]).unwrap();
            reader.assign(&[(in_0.clone(), 1), (in_1.clone(), 0)]).unwrap();
            reader.assign(&[]).unwrap();
        }
    });
    reader.assign(&[(in_0.clone(), 1)]).unwrap();
    assert_eq!(values(&read(&mut *reader, 2)), ["b", "c"]);
}

/// Lets the other threads end, whatever happens to this one.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn first_failure(reader: &mut dyn Reader) -> ErrorKind {
    soon("an error", || reader.poll(Duration::from_millis(100)).err()).kind
}
