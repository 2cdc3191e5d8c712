//! Records in their partitions.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use streams::{
    Cleanup, ErrorKind, GroupEvent, Header, ProducerRecord, TopicDescription, TopicSpec, Watermarks,
};

use crate::steps::{
    assigned_from_beginning, begun, create, create_in, ends, event, marked, member, place, producer, read,
    reader_at, record, tombstone, values, write, written,
};
use crate::world::{WAIT, World, never, retried, until};

pub(crate) fn records_come_back_as_they_were_sent(world: &dyn World) {
    let in_0 = create_in(world);
    let empty = Header { name: "empty".to_string(), value: None };
    let sent = [
        ProducerRecord {
            headers: vec![Header::new("h", "1"), Header::new("h", "2"), empty],
            ..record(&in_0, "k", "v")
        },
        tombstone(&in_0, "k"),
        ProducerRecord { key: None, ..record(&in_0, "", "no key") },
        ProducerRecord { key: Some(Bytes::new()), value: Some(Bytes::new()), ..record(&in_0, "", "") },
    ];
    let mut producer = producer(world, "p");
    let mut times = vec![world.now()];
    for (number, record) in (1..).zip(&sent) {
        producer.begin().unwrap();
        producer.send(record.clone(), None).unwrap();
        producer.commit().unwrap();
        marked(world, &in_0, number * 2);
        world.pass(Duration::from_millis(5));
        times.push(world.now());
    }

    let came = read(world, &mut *reader_at(world, &in_0, 0), sent.len());
    for (number, (sent, came)) in sent.iter().zip(&came).enumerate() {
        assert_eq!((&*came.topic, came.partition), ("in", 0));
        assert_eq!(came.offset, number as i64 * 2, "a marker stands between them");
        assert_eq!((&came.key, &came.value, &came.headers), (&sent.key, &sent.value, &sent.headers));
        let (before, after) = (times[number], times[number + 1]);
        assert!(before <= came.timestamp && came.timestamp <= after, "{came:?}: {before} to {after}");
    }
}

pub(crate) fn the_position_passes_control_records(world: &dyn World) {
    create(world, "in", 2, Cleanup::Delete);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    let mut producer = producer(world, "p");
    for is_committed in [true, false] {
        begun(&mut *producer, &in_0, "v");
        if is_committed { producer.commit().unwrap() } else { producer.abort().unwrap() }
    }
    // A record and a marker of each transaction.
    marked(world, &in_0, 4);
    assert_eq!(ends(world, &in_1).high, 0);

    let mut reader = world.clients().reader("app").unwrap();
    reader.assign(&[(in_0.clone(), 1), (in_1.clone(), 0)]).unwrap();
    assert_eq!(reader.position(&in_0).unwrap(), Some(1), "where it starts");
    assert_eq!(reader.position(&place("in", 7)).unwrap(), None, "not assigned");
    until(world, "the end", || {
        assert_eq!(reader.poll(WAIT).unwrap(), None, "only control records and aborted ones");
        (reader.position(&in_0).unwrap() == Some(4)).then_some(())
    });
    assert_eq!(reader.position(&in_1).unwrap(), Some(0), "an empty partition");

    let mut member = member(world, &["in"]);
    assigned_from_beginning(world, &mut *member);
    assert!(matches!(event(world, &mut *member), GroupEvent::Record(record) if record.offset == 0));
    until(world, "the end", || {
        member.poll(WAIT).unwrap();
        (member.position(&in_0).unwrap() == Some(4)).then_some(())
    });
}

pub(crate) fn a_writer_tells_each_offset_or_why_there_is_none(world: &dyn World) {
    create(world, "in", 1, Cleanup::Compact { min_lag: Duration::ZERO });
    let in_0 = place("in", 0);
    let keyless = ProducerRecord { key: None, ..record(&in_0, "", "no key") };
    let large = record(&in_0, "k", &"x".repeat(1_100_000));
    assert_eq!(written(world, record(&in_0, "k", "a")), Ok(0));
    assert_eq!(written(world, record(&in_0, "k", "b")), Ok(1));
    assert_eq!(written(world, keyless).unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(written(world, large).unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(written(world, record(&in_0, "k", &"x".repeat(1_048_000))), Ok(2), "not too large");
}

pub(crate) fn many_share_a_writer_and_the_records_of_each_stay_in_order(world: &dyn World) {
    const SENDERS: usize = 8;
    const EACH: usize = 200;
    create(world, "in", 2, Cleanup::Delete);
    let places = [place("in", 0), place("in", 1)];
    let writer = world.clients().writer().unwrap();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (writer, tell, places) = (&writer, &tell, &places);
            scope.spawn(move || {
                for number in 0..EACH {
                    let (tell, value) = (tell.clone(), format!("{sender} {number}"));
                    let record = record(&places[number % 2], "k", &value);
                    let told = move |offset| tell.send((number % 2, offset, value)).unwrap();
                    writer.send(record, Box::new(told));
                }
            });
        }
    });
    drop(tell);
    let mut told: Vec<_> =
        told.iter().map(|(place, offset, value)| (place, offset.unwrap(), value)).collect();
    assert_eq!(told.len(), SENDERS * EACH, "each is told once");
    told.sort();

    let there = places.iter().enumerate().flat_map(|(number, place)| {
        let values = values(world, &mut *reader_at(world, place, 0), SENDERS * EACH / 2);
        (0..).zip(values).map(move |(offset, value)| (number, offset, value))
    });
    assert_eq!(told, there.collect::<Vec<_>>(), "each stands where it is said to");
    for (place, sender) in (0..2).flat_map(|place| (0..SENDERS).map(move |sender| (place, sender))) {
        let prefix = format!("{sender} ");
        let of_sender = told.iter().filter(|(in_place, _, _)| *in_place == place);
        let numbers =
            of_sender.filter_map(|(_, _, value)| value.strip_prefix(&prefix)?.parse::<usize>().ok());
        assert!(numbers.eq((place..EACH).step_by(2)), "sender {sender} in partition {place}");
    }
}

pub(crate) fn deleted_records_are_out_of_range(world: &dyn World) {
    let in_0 = create_in(world);
    write(world, &in_0, &["a", "b", "c", "d"]);
    let mut admin = world.clients().admin().unwrap();
    admin.delete_records(&[(in_0.clone(), 2)]).unwrap();
    admin.delete_records(&[(in_0.clone(), 1)]).unwrap();
    let beyond = admin.delete_records(&[(in_0.clone(), 5)]).unwrap_err();
    assert_eq!(beyond.kind, ErrorKind::OffsetOutOfRange, "{beyond}");
    assert_eq!(ends(world, &in_0), Watermarks { low: 2, high: 4 });

    for (from, why) in [(0, "below the low watermark"), (9, "above the high one")] {
        let mut reader = reader_at(world, &in_0, from);
        let failure = until(world, "an error", || reader.poll(WAIT).err());
        assert_eq!(failure.kind, ErrorKind::OffsetOutOfRange, "{why}");
    }
    assert_eq!(values(world, &mut *reader_at(world, &in_0, 2), 2), ["c", "d"]);
    admin.delete_records(&[(in_0.clone(), 4)]).unwrap();
    assert_eq!(ends(world, &in_0), Watermarks { low: 4, high: 4 });
    assert_eq!(written(world, record(&in_0, "k", "e")), Ok(4), "offsets go on");
}

pub(crate) fn assigning_again_drops_what_was_fetched(world: &dyn World) {
    create(world, "in", 2, Cleanup::Delete);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    write(world, &in_0, &["a", "b", "c"]);
    write(world, &in_1, &["x"]);
    let mut reader = reader_at(world, &in_0, 0);
    assert_eq!(values(world, &mut *reader, 1), ["a"]);
    reader.assign(&[(in_0.clone(), 2), (in_1.clone(), 0)]).unwrap();
    let mut both = values(world, &mut *reader, 2);
    both.sort();
    assert_eq!(both, ["c", "x"]);
}

pub(crate) fn topics_are_created_once_and_described(world: &dyn World) {
    let mut admin = world.clients().admin().unwrap();
    let names: [Arc<str>; 5] = ["gone", "plain", "table", "changelog", "purged"].map(Arc::from);
    assert_eq!(admin.describe(&names).unwrap(), [const { None }; 5]);
    let table = Cleanup::Compact { min_lag: Duration::from_secs(7) };
    let cleanups = [Cleanup::Delete, table, Cleanup::Changelog, Cleanup::Purged];
    for partitions in [3, 5] {
        for (name, cleanup) in names[1..].iter().zip(cleanups) {
            admin.create(&[TopicSpec { name: name.clone(), cleanup }], partitions, 1).unwrap();
        }
    }
    let described = |cleanup_policy: &str, mebibytes: u64, hours: u64| {
        Some(TopicDescription {
            partitions: 3,
            cleanup_policy: cleanup_policy.to_string(),
            delete_retention: Duration::from_secs(hours * 3600),
            segment_bytes: mebibytes << 20,
        })
    };
    let (plain, table) = (described("delete", 1024, 24), described("compact", 50, 24));
    let expected = [None, plain, table, described("compact", 16, 4), described("delete", 50, 24)];
    assert_eq!(admin.describe(&names).unwrap(), expected, "the first creation counts");
    let id = admin.cluster_id().unwrap();
    assert_eq!(id.len(), 22, "{id}");
}

pub(crate) fn a_topic_that_cannot_be_had_is_an_error(world: &dyn World) {
    let mut admin = world.clients().admin().unwrap();
    let spec = TopicSpec { name: "in".into(), cleanup: Cleanup::Delete };
    for (partitions, replication, why) in
        [(1, 3, "one broker holds no three replicas"), (0, 1, "no partition")]
    {
        let refused = admin.create(std::slice::from_ref(&spec), partitions, replication).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Fatal, "{why}: {refused}");
    }
    assert_eq!(admin.describe(&[spec.name]).unwrap(), [None]);
}

pub(crate) fn what_is_not_there_may_come(world: &dyn World) {
    create_in(world);
    let mut reader = world.clients().reader("app").unwrap();
    let mut admin = world.clients().admin().unwrap();
    for missing in [place("in", 7), place("gone", 0)] {
        let partitions = std::slice::from_ref(&missing);
        let unknown = reader.watermarks(partitions).unwrap_err();
        assert_eq!(unknown.kind, ErrorKind::Retriable, "{unknown}");
        let unknown = admin.delete_records(&[(missing.clone(), 0)]).unwrap_err();
        assert_eq!(unknown.kind, ErrorKind::Retriable, "{unknown}");
        assert_eq!(retried(world, "offsets", || reader.committed(partitions)), [None]);

        let mut producer = producer(world, &missing.to_string());
        producer.begin().unwrap();
        producer.send(record(&missing, "k", "v"), None).unwrap();
        assert_eq!(producer.flush().unwrap_err().kind, ErrorKind::Abortable);
        producer.abort().unwrap();
    }
    let unknown = written(world, record(&place("in", 7), "k", "v")).unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::Retriable, "{unknown}");
    reader.assign(&[(place("in", 7), 0)]).unwrap();
    let unknown = until(world, "an error", || reader.poll(WAIT).err());
    assert_eq!(unknown.kind, ErrorKind::Retriable, "{unknown}");
    reader.assign(&[(place("gone", 0), 0)]).unwrap();
    never(world, "a topic may come", || reader.poll(WAIT).unwrap());
}
