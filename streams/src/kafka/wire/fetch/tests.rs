use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::messages::fetch_response::FetchableTopicResponse;

use super::super::fake_broker::{Asked, FakeBroker};
use super::super::records::tests::{bomb, records};
use super::*;

const TOPIC: StrBytes = StrBytes::from_static_str("p.t");
const PARTITIONS: i32 = 2;

/// A reader of partition 0 from offset 0 on, whose broker has been asked.
fn asked() -> (Fetch, FakeBroker, Asked) {
    let mut broker = FakeBroker::new();
    let mut fetch = Fetch::new(&Servers::new(&broker.address()), "test".into());
    assign(&mut fetch, &[(0, 0)]);
    let metadata = broker.next(|| fetch.advance(Instant::now()));
    broker.answer_metadata(metadata, PARTITIONS);
    let asked = next(&mut fetch, &mut broker, &[(0, 0)]);
    (fetch, broker, asked)
}

fn assign(fetch: &mut Fetch, offsets: &[(i32, i64)]) {
    let place = |number| TopicPartition::new("t", number);
    fetch.assign(offsets.iter().map(|(number, offset)| (place(*number), TOPIC, *offset)));
}

/// The next request for records, which asks for these partitions from these offsets on.
#[track_caller]
fn next(fetch: &mut Fetch, broker: &mut FakeBroker, expected: &[(i32, i64)]) -> Asked {
    let asked = broker.next(|| fetch.advance(Instant::now()));
    let request: FetchRequest = asked.request();
    let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    let mut wanted: Vec<_> = partitions.map(|p| (p.partition, p.fetch_offset)).collect();
    wanted.sort_unstable();
    assert_eq!(wanted, expected);
    asked
}

fn answer(asked: Asked, partition: i32, code: i16, records: BytesMut) {
    let data = PartitionData::default()
        .with_partition_index(partition)
        .with_error_code(code)
        .with_records(Some(Bytes::from(records)));
    let topic = FetchableTopicResponse::default().with_topic(TopicName(TOPIC)).with_partitions(vec![data]);
    asked.answer::<FetchRequest>(&FetchResponse::default().with_responses(vec![topic]));
}

/// The offset of the next record.
#[track_caller]
fn read(fetch: &mut Fetch) -> Option<i64> {
    fetch.next().unwrap().map(|record| record.offset)
}

/// The next outcome that is something.
#[track_caller]
fn outcome(fetch: &mut Fetch) -> Result<i64, ClientError> {
    let start = Instant::now();
    loop {
        fetch.advance(Instant::now());
        if let Some(record) = fetch.next()? {
            return Ok(record.offset);
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nothing comes");
    }
}

#[test]
fn nothing_is_asked_for_while_there_are_records() {
    let (mut fetch, mut broker, asked) = asked();
    answer(asked, 0, 0, records(0..3));
    assert_eq!(outcome(&mut fetch), Ok(0));
    for offset in [1, 2] {
        fetch.advance(Instant::now());
        assert!(broker.look().is_none());
        assert_eq!(read(&mut fetch), Some(offset));
    }
    assert_eq!(read(&mut fetch), None);
    next(&mut fetch, &mut broker, &[(0, 3)]);
}

#[test]
fn behind_a_backlog_the_next_records_are_asked_for_at_once() {
    let (mut fetch, mut broker, asked) = asked();
    let end = 10_000;
    assert!(records(0..end).len() > BACKLOG);
    answer(asked, 0, 0, records(0..end));
    let asked = next(&mut fetch, &mut broker, &[(0, end)]);
    assert_eq!(patience(&asked), (MIN_BYTES_OF_BACKLOG, MAX_WAIT_IN_BACKLOG));
    assert_eq!(fetch.position(&TopicPartition::new("t", 0)), Some(0));
    answer(asked, 0, 0, records(end..end + 2));
    for offset in 0..end {
        assert_eq!(read(&mut fetch), Some(offset));
    }
    assert_eq!(fetch.position(&TopicPartition::new("t", 0)), Some(end));
    assert!(broker.look().is_none(), "one more would be too much");
    assert_eq!(outcome(&mut fetch), Ok(end));
    assert_eq!(outcome(&mut fetch), Ok(end + 1));
    assert_eq!(read(&mut fetch), None);
    let asked = next(&mut fetch, &mut broker, &[(0, end + 2)]);
    assert_eq!(patience(&asked), (1, MAX_WAIT), "there is no backlog any more");
}

/// How much the broker is to wait for, and how long.
fn patience(asked: &Asked) -> (i32, Duration) {
    let request: FetchRequest = asked.request();
    (request.min_bytes, Duration::from_millis(request.max_wait_ms.try_into().unwrap()))
}

/// Two partitions are read, and what comes of the first cannot be read from offset 1 on.
#[track_caller]
fn check_stands_still(unreadable: BytesMut, why: &str) {
    let (mut fetch, mut broker, asked) = asked();
    drop(asked);
    assign(&mut fetch, &[(0, 0), (1, 0)]);
    let asked = next(&mut fetch, &mut broker, &[(0, 0), (1, 0)]);
    answer(asked, 0, 0, [records(0..1), unreadable].concat()[..].into());
    let behind = next(&mut fetch, &mut broker, &[(0, 10_000), (1, 0)]);
    answer(behind, 0, 0, records(10_000..10_001));
    fetch.advance(Instant::now());
    assert_eq!(read(&mut fetch), Some(0));
    let failure = fetch.next().unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Refused);
    assert_eq!(failure.attempted, "read t-0 at offset 1");
    assert!(failure.reason.contains("the batch at offset 1") && failure.reason.contains(why), "{failure}");
    assert_eq!(read(&mut fetch), None, "nothing behind it");

    // The other partition goes on, and this one is tried again, though not soon.
    let mut now = Instant::now();
    let asked = next(&mut fetch, &mut broker, &[(1, 0)]);
    answer(asked, 1, 0, records(0..1));
    assert_eq!(outcome(&mut fetch), Ok(0));
    assert_eq!(read(&mut fetch), None);
    next(&mut fetch, &mut broker, &[(1, 1)]).hang_up();
    now += UNREADABLE_PAUSE * 2;
    let asked = broker.next(|| fetch.advance(now));
    broker.answer_metadata(asked, PARTITIONS);
    let asked = broker.next(|| {
        now += Duration::from_millis(1);
        fetch.advance(now);
    });
    let request: FetchRequest = asked.request();
    let mut wanted = request.topics.iter().flat_map(|topic| &topic.partitions);
    assert!(wanted.any(|of| (of.partition, of.fetch_offset) == (0, 1)), "{request:?}");
    answer(asked, 0, 0, records(1..2));
    broker_answers(&mut fetch, now);
    assert_eq!(read(&mut fetch), Some(1), "it could be read at last");
}

/// Takes the answer that is on its way.
#[track_caller]
fn broker_answers(fetch: &mut Fetch, now: Instant) {
    let start = Instant::now();
    while fetch.fetched.is_empty() {
        fetch.advance(now);
        assert!(start.elapsed() < Duration::from_secs(60), "nothing comes");
    }
}

#[test]
fn a_partition_stands_still_at_what_cannot_be_read() {
    let mut damaged = records(1..10_000);
    damaged[100] ^= 1;
    check_stands_still(damaged, "is damaged");
    check_stands_still([bomb(1..2), records(2..10_000)].concat()[..].into(), "holds more than");
}

#[test]
fn a_new_assignment_takes_effect_at_once() {
    let (mut fetch, mut broker, asked) = asked();
    answer(asked, 0, 0, records(0..3));
    assert_eq!(outcome(&mut fetch), Ok(0));
    assign(&mut fetch, &[(0, 7), (1, 5)]);
    assert_eq!(read(&mut fetch), None);
    let before = next(&mut fetch, &mut broker, &[(0, 7), (1, 5)]);
    assign(&mut fetch, &[(1, 9)]);
    let after = next(&mut fetch, &mut broker, &[(1, 9)]);
    assert_eq!(broker.open_connections(), 1, "what was asked for before is of no more use");
    drop(before);
    answer(after, 1, 0, records(9..10));
    assert_eq!(outcome(&mut fetch), Ok(9));
    assign(&mut fetch, &[]);
    fetch.advance(Instant::now());
    assert!(broker.look().is_none(), "nothing is assigned");
}

#[test]
fn a_leader_that_moves_is_no_error() {
    for code in [ResponseError::NotLeaderOrFollower, ResponseError::UnknownTopicOrPartition] {
        let (mut fetch, mut broker, asked) = asked();
        answer(asked, 0, code.code(), BytesMut::new());
        let asked = broker.next(|| {
            fetch.advance(Instant::now());
            assert_eq!(read(&mut fetch), None);
        });
        assert_eq!(asked.api, ApiKey::Metadata, "{code:?}");
        broker.answer_metadata(asked, PARTITIONS);
        next(&mut fetch, &mut broker, &[(0, 0)]);
    }
}

#[test]
fn a_lost_connection_is_no_error() {
    let (mut fetch, mut broker, asked) = asked();
    asked.hang_up();
    let asked = broker.next(|| {
        fetch.advance(Instant::now());
        assert_eq!(read(&mut fetch), None);
    });
    broker.answer_metadata(asked, PARTITIONS);
    next(&mut fetch, &mut broker, &[(0, 0)]);
}

#[track_caller]
fn check_refused(code: ResponseError, expected: ErrorKind) {
    let (mut fetch, mut broker, asked) = asked();
    answer(asked, 0, code.code(), BytesMut::new());
    let failure = outcome(&mut fetch).unwrap_err();
    assert_eq!(failure.kind, expected, "{code:?}");
    assert_eq!(failure.attempted, "read t-0 at offset 0");
    fetch.advance(Instant::now());
    assert!(broker.look().is_none(), "{code:?}: not at once");
}

#[test]
fn what_does_not_pass_is_told() {
    check_refused(ResponseError::OffsetOutOfRange, ErrorKind::OffsetOutOfRange);
    check_refused(ResponseError::TopicAuthorizationFailed, ErrorKind::Fatal);
    check_refused(ResponseError::UnknownServerError, ErrorKind::Retriable);
    check_refused(ResponseError::CorruptMessage, ErrorKind::Retriable);
}

#[test]
fn a_partition_that_is_not_there_is_told_once() {
    let mut broker = FakeBroker::new();
    let mut fetch = Fetch::new(&Servers::new(&broker.address()), "test".into());
    assign(&mut fetch, &[(0, 0), (5, 0)]);
    let metadata = broker.next(|| fetch.advance(Instant::now()));
    broker.answer_metadata(metadata, PARTITIONS);
    let failure = outcome(&mut fetch).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Retriable);
    assert_eq!(failure.reason, "the topic has 2 partitions");
    assert_eq!(read(&mut fetch), None);
}
