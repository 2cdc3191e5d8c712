use bytes::BytesMut;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use proptest::prelude::*;

use super::*;

const PLAIN: Compression = Compression::None;

/// Written by another hand than what reads it.
fn batch(compression: Compression, records: &[Record]) -> BytesMut {
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, records, &RecordEncodeOptions { version: 2, compression })
        .unwrap();
    bytes
}

fn record(offset: i64, value: &str) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).unwrap(),
        timestamp: 1_000 + offset,
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: IndexMap::new(),
    }
}

fn of(producer_id: i64, record: Record) -> Record {
    Record { transactional: true, producer_id, producer_epoch: 0, ..record }
}

pub(in super::super) fn records(offsets: std::ops::Range<i64>) -> BytesMut {
    batch(PLAIN, &offsets.map(|offset| record(offset, &offset.to_string())).collect::<Vec<_>>())
}

/// A few KiB that hold more than any batch of their size may.
pub(in super::super) fn bomb(offsets: std::ops::Range<i64>) -> BytesMut {
    let large = "v".repeat(20 << 20);
    ending_at(batch(Compression::Zstd, &[record(offsets.start, &large)]), offsets.end - 1)
}

fn transaction(producer: i64, offsets: std::ops::Range<i64>) -> BytesMut {
    batch(PLAIN, &offsets.map(|offset| of(producer, record(offset, "v"))).collect::<Vec<_>>())
}

fn marker(producer: i64, offset: i64, is_commit: bool) -> BytesMut {
    let key = Some(Bytes::from_static(if is_commit { b"\0\0\0\x01" } else { b"\0\0\0\0" }));
    batch(PLAIN, &[of(producer, Record { control: true, key, ..record(offset, "") })])
}

/// The same batch, changed at this place, with a checksum that is right again.
fn with(mut batch: BytesMut, at: usize, bytes: &[u8]) -> BytesMut {
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let checksum = crc32c::crc32c(&batch[AFTER_CHECKSUM..]);
    batch[17..AFTER_CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    batch
}

/// The same batch, as if its last records, up to this offset, had been compacted away.
fn ending_at(batch: BytesMut, last: i64) -> BytesMut {
    let delta = i32::try_from(last - Head(&batch).first_offset()).unwrap();
    with(batch, 23, &delta.to_be_bytes())
}

/// A batch that is kept for its producer alone, when all its records have been compacted away.
fn empty(batch: BytesMut) -> BytesMut {
    let mut head = BytesMut::from(&batch[..HEAD]);
    head[8..AFTER_LENGTH].copy_from_slice(&i32::try_from(HEAD - AFTER_LENGTH).unwrap().to_be_bytes());
    with(head, 57, &[0; 4])
}

fn read(from: i64, batches: &[BytesMut], aborted: &[(i64, i64)]) -> Batches {
    let aborted = aborted.iter().map(|(producer, first)| Aborted { producer: *producer, first: *first });
    Batches::new(TopicPartition::new("t", 0), from, Bytes::from(batches.concat()), aborted.collect())
}

/// The offsets that are handed out, each with the position after it, and the position before the first.
#[track_caller]
fn check(from: i64, batches: &[BytesMut], aborted: &[(i64, i64)], start: i64, expected: &[(i64, i64)]) {
    let mut batches = read(from, batches, aborted);
    let end = batches.end();
    assert_eq!(batches.position(), start);
    let mut found = Vec::new();
    while let Some(record) = batches.next().unwrap() {
        found.push((record.offset, batches.position()));
    }
    assert_eq!(found, expected);
    assert_eq!(batches.position(), end, "what is behind the last record is passed with it");
}

#[test]
fn records_are_handed_out_one_by_one() {
    check(0, &[], &[], 0, &[]);
    check(0, &[records(0..3)], &[], 0, &[(0, 1), (1, 2), (2, 3)]);
    check(0, &[records(0..1), records(1..2)], &[], 0, &[(0, 1), (1, 2)]);
    check(2, &[records(0..3), records(3..4)], &[], 2, &[(2, 3), (3, 4)]);
    check(9, &[records(0..3)], &[], 9, &[]);
}

#[test]
fn what_is_cut_off_comes_again() {
    let whole = records(0..2);
    for length in [3, 12, 16, HEAD, records(2..4).len() - 1] {
        let cut_off = BytesMut::from(&records(2..4)[..length]);
        check(0, &[whole.clone(), cut_off], &[], 0, &[(0, 1), (1, 2)]);
    }
}

#[test]
fn offsets_that_were_compacted_away_are_passed() {
    check(0, &[records(5..6)], &[], 5, &[(5, 6)]);
    check(0, &[batch(PLAIN, &[record(0, ""), record(7, "")])], &[], 0, &[(0, 7), (7, 8)]);
    check(0, &[ending_at(records(0..2), 9)], &[], 0, &[(0, 1), (1, 10)]);
    check(5, &[ending_at(records(0..2), 9)], &[], 10, &[]);
    check(0, &[empty(ending_at(records(0..2), 9))], &[], 10, &[]);
    check(0, &[records(0..1), empty(ending_at(records(1..2), 9))], &[], 0, &[(0, 10)]);
}

#[test]
fn control_records_are_passed() {
    check(0, &[transaction(7, 0..1), marker(7, 1, true)], &[], 0, &[(0, 2)]);
    check(0, &[marker(7, 0, true), records(1..2)], &[], 1, &[(1, 2)]);
    check(0, &[marker(7, 0, true), marker(8, 1, false)], &[], 2, &[]);
    check(0, &[empty(marker(7, 0, false)), records(1..2)], &[], 1, &[(1, 2)]);
}

#[test]
fn aborted_records_are_passed() {
    check(0, &[transaction(7, 0..2), marker(7, 2, false)], &[(7, 0)], 3, &[]);
    let twice = [
        transaction(7, 0..1),
        marker(7, 1, false),
        transaction(7, 2..3),
        marker(7, 3, true),
        transaction(7, 4..5),
        marker(7, 5, false),
    ];
    check(0, &twice, &[(7, 0), (7, 4)], 2, &[(2, 6)]);
    check(0, &twice, &[(7, 4), (7, 0)], 2, &[(2, 6)]);
    let mixed = [
        transaction(7, 0..1),
        transaction(8, 1..2),
        records(2..3),
        marker(7, 3, false),
        transaction(8, 4..5),
        marker(8, 5, true),
    ];
    check(0, &mixed, &[(7, 0)], 1, &[(1, 2), (2, 4), (4, 6)]);
    check(0, &mixed, &[(8, 1)], 0, &[(0, 2), (2, 6)]);
    // It began before what was asked for.
    check(4, &[transaction(7, 4..5), marker(7, 5, false)], &[(7, 1)], 6, &[]);
}

#[test]
fn a_record_comes_as_it_was_sent_however_it_is_compressed() {
    let value = "v".repeat(100_000);
    for codec in [PLAIN, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let nothing = Record { key: None, value: None, ..record(6, "") };
        let mut batches = read(5, &[batch(codec, &[record(5, &value), nothing])], &[]);
        let come = batches.next().unwrap().unwrap();
        assert_eq!((&*come.topic, come.partition, come.offset), ("t", 0, 5), "{codec:?}");
        assert_eq!(come.timestamp, Timestamp::from_millis(1_005), "{codec:?}");
        assert_eq!(come.key.as_deref(), Some(&b"k"[..]), "{codec:?}");
        assert_eq!(come.value.as_deref(), Some(value.as_bytes()), "{codec:?}");
        let come = batches.next().unwrap().unwrap();
        assert_eq!((come.offset, come.key, come.value), (6, None, None), "{codec:?}");
        assert_eq!(batches.next(), Ok(None), "{codec:?}");
    }
}

#[test]
fn the_brokers_time_counts_where_it_sets_one() {
    let stamped = with(records(0..2), 22, &[8]);
    let mut batches = read(0, &[with(stamped, 35, &77_i64.to_be_bytes())], &[]);
    for _ in 0..2 {
        assert_eq!(batches.next().unwrap().unwrap().timestamp, Timestamp::from_millis(77));
    }
}

/// A batch of one record with these bytes from its headers' number on.
fn with_headers(headers: &[u8]) -> BytesMut {
    let record = [b"\0\0\0\x01\x01", headers].concat();
    let mut bytes = BytesMut::from(&records(0..1)[..HEAD]);
    let mut length = record.len() * 2;
    while length >= 0x80 {
        bytes.extend_from_slice(&[length as u8 | 0x80]);
        length >>= 7;
    }
    bytes.extend_from_slice(&[length as u8]);
    bytes.extend_from_slice(&record);
    let length = i32::try_from(bytes.len() - AFTER_LENGTH).unwrap();
    with(bytes, 8, &length.to_be_bytes())
}

#[test]
fn headers_keep_their_order_and_may_share_a_name() {
    let expected = [Header::new("h", "1"), Header { name: "h".to_string(), value: None }];
    let mut batches = read(0, &[with_headers(b"\x06\x02h\x021\x02\xff\x021\x02h\x01")], &[]);
    assert_eq!(batches.next().unwrap().unwrap().headers, expected, "without the one whose name is no text");
}

#[test]
fn a_record_has_so_many_headers_and_no_more() {
    let headers = [&[0xc0, 0x9a, 0x0c][..], &b"\0\x01".repeat(100_000)].concat();
    let mut batches = read(0, &[with_headers(&headers)], &[]);
    assert_eq!(batches.next().unwrap().unwrap().headers.len(), MAX_HEADERS);
    assert_eq!(batches.next(), Ok(None));
}

#[track_caller]
fn check_malformed(batches: &[BytesMut], expected: &str) {
    let mut batches = read(0, batches, &[]);
    let failure = loop {
        match batches.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("nothing is wrong"),
            Err(failure) => break failure.to_string(),
        }
    };
    assert!(failure.contains(expected), "{failure}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let mut damaged = records(3..5);
    damaged[HEAD + 3] ^= 1;
    check_malformed(&[records(0..3), damaged], "the batch at offset 3 is damaged");
    check_malformed(&[with(records(3..5), 16, &[1])], "at offset 3 has the format of version 1");
    check_malformed(&[with(records(3..5), 22, &[7])], "compressed in a way that is not known: 7");
    check_malformed(&[with(records(3..5), 22, &[4])], "cannot be decompressed");
    check_malformed(
        &[bomb(3..4)],
        "the batch at offset 3 holds more than 16777216 bytes: too many for one that is",
    );
    check_malformed(&[with(records(3..5), 57, &3_i32.to_be_bytes())], "does not end where it should");
    check_malformed(&[with(records(3..5), 57, &1_i32.to_be_bytes())], "does not end where it should");
    check_malformed(&[with_headers(b"\x02\x01\x01")], "does not end where it should");
    check_malformed(&[with_headers(b"\x00\x00")], "does not end where it should");
}

proptest! {
    /// With a checksum that is right: what anybody may write who can reach the broker.
    #[test]
    fn whatever_a_batch_holds_is_handed_out_or_refused(
        codec in prop::sample::select(vec![PLAIN, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]),
        places in prop::collection::vec((AFTER_CHECKSUM..400_usize, any::<u8>()), 1..6),
        from in 0..12_i64,
    ) {
        let mut header = IndexMap::new();
        header.insert("h".into(), Some(Bytes::from_static(b"1")));
        let records: Vec<_> =
            (0..9).map(|offset| Record { headers: header.clone(), ..record(offset, "some value") }).collect();
        let mut bytes = batch(codec, &records);
        for (at, byte) in places {
            let at = at % bytes.len();
            if at >= AFTER_CHECKSUM {
                bytes = with(bytes, at, &[byte]);
            }
        }
        let sent = bytes.len();
        let mut batches = read(from, &[bytes], &[(-1, 0), (0, 0)]);
        let mut found = 0;
        while let Ok(Some(record)) = batches.next() {
            found += 1;
            prop_assert!(record.offset >= from);
            prop_assert!(record.headers.len() <= MAX_HEADERS);
        }
        prop_assert!(found <= 100 * sent, "each takes room");
    }

    #[test]
    fn whatever_an_answer_holds_is_read_or_refused(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = [records(0..3), marker(7, 3, false), transaction(8, 4..6)].concat();
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let mut batches = read(0, &[BytesMut::from(&bytes[..cut.index(bytes.len())])], &[(8, 4)]);
        batches.end();
        while let Ok(Some(_)) = batches.next() {}
    }
}
