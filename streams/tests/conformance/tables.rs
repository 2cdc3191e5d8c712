//! Compacted topics.

use std::time::Duration;

use streams::{Reader, TopicPartition};

use crate::steps::{
    begun, ends, place, producer, read, reader, reader_at, record, tombstone, value, written,
};
use crate::world::{WAIT, World, until};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn the_last_value_of_each_key_stays(world: &dyn World) {
    let table = table(world, HOUR);
    put(world, &table, &[("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("c", "1")]);
    written(world, tombstone(&table, "b")).unwrap();
    put(world, &table, &[("a", "3")]);
    cleaned(world, &table, &[("c", "1"), ("b", ""), ("a", "3")]);

    // The offsets stay, and one may begin at an offset that is gone.
    let mut reader = reader_at(world, &table, 1);
    assert_eq!(read(world, &mut *reader, 1)[0].offset, 4);
    assert_eq!(ends(world, &table).low, 0);
}

pub(crate) fn a_tombstone_goes_in_the_end(world: &dyn World) {
    let table = table(world, Duration::ZERO);
    put(world, &table, &[("a", "1"), ("b", "1")]);
    written(world, tombstone(&table, "a")).unwrap();
    cleaned(world, &table, &[("b", "1")]);
}

pub(crate) fn an_aborted_value_replaces_nothing(world: &dyn World) {
    let table = table(world, HOUR);
    put(world, &table, &[("k", "committed"), ("b", "1"), ("b", "2")]);
    let mut producer = producer(world, "p");
    begun(&mut *producer, &table, "aborted");
    producer.abort().unwrap();
    cleaned(world, &table, &[("k", "committed"), ("b", "2")]);
}

fn table(world: &dyn World, delete_retention: Duration) -> TopicPartition {
    world.create_table("table", delete_retention);
    place("table", 0)
}

fn put(world: &dyn World, table: &TopicPartition, values: &[(&str, &str)]) {
    for (key, value) in values {
        written(world, record(table, key, value)).unwrap();
    }
}

/// Waits until the table is this, besides the records that close what is to be cleaned.
#[track_caller]
fn cleaned(world: &dyn World, table: &TopicPartition, expected: &[(&str, &str)]) {
    let mut reader = reader(world);
    let expected: Vec<_> =
        expected.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string())).collect();
    let mut last = Vec::new();
    until(world, "the cleaner", || {
        put(world, table, &[("close", "")]);
        world.clean(&table.topic);
        last = contents(world, &mut *reader, table);
        (last == expected).then_some(())
    });
}

/// What there is from the beginning to the end.
fn contents(world: &dyn World, reader: &mut dyn Reader, table: &TopicPartition) -> Vec<(String, String)> {
    let high = ends(world, table).high;
    reader.assign(&[(table.clone(), 0)]).unwrap();
    let mut contents = Vec::new();
    until(world, "the end", || {
        if let Some(record) = reader.poll(WAIT).unwrap() {
            let key = String::from_utf8(record.key.clone().unwrap_or_default().to_vec()).unwrap();
            contents.push((key, value(&record)));
        }
        (reader.position(table).unwrap() == Some(high)).then_some(())
    });
    contents.retain(|(key, _)| key != "close");
    contents
}
