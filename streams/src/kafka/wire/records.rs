//! The records of a partition as a broker's answer holds them: batches of version 2, decoded one after the other.
//!
//! Written by hand because the library's decoder keeps headers in a map, which loses those of the same name, and does
//! not tell where a batch ends whose last records are compacted away.
//! <https://kafka.apache.org/documentation/#recordbatch>
//!
//! Only what was committed is handed out, by the rule of Kafka's own consumer (`CompletedFetch`): the answer tells from
//! which offset on a producer's records are aborted, and the marker of the abortion ends that.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::compression::{Decompressor, Gzip, Lz4, Snappy, Zstd};

use crate::Timestamp;
use crate::record::{ConsumerRecord, Header, TopicPartition};

/// Up to where the records begin.
const HEAD: usize = 61;
/// What the length counts begins here.
const AFTER_LENGTH: usize = 12;
/// What the checksum covers begins here.
const AFTER_CHECKSUM: usize = 21;

/// A transaction that was aborted: whose, and the offset of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aborted {
    pub(super) producer: i64,
    pub(super) first: i64,
}

/// The batches of one partition out of one answer, with one record read ahead: so it is known at each moment whether
/// anything is still to come, and below which offset nothing is.
#[derive(Debug)]
pub(super) struct Batches {
    place: TopicPartition,
    /// Records below it were not asked for; a batch comes whole.
    from: i64,
    rest: Bytes,
    open: Option<OpenBatch>,
    /// The last one is next.
    aborted: Vec<Aborted>,
    aborting: Vec<i64>,
    ahead: Result<Option<ConsumerRecord>, Malformed>,
    position: i64,
}

/// A batch cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch at offset {offset} {why}")]
pub(super) struct Malformed {
    pub(super) offset: i64,
    pub(super) why: String,
}

impl Batches {
    /// Of `place`, asked for from the offset `from` on.
    pub(super) fn new(place: TopicPartition, from: i64, records: Bytes, mut aborted: Vec<Aborted>) -> Self {
        aborted.sort_by_key(|aborted| std::cmp::Reverse(aborted.first));
        let mut batches = Self {
            place,
            from,
            rest: records,
            open: None,
            aborted,
            aborting: Vec::new(),
            ahead: Ok(None),
            position: from,
        };
        batches.look_ahead();
        batches
    }

    /// The next committed record.
    pub(super) fn next(&mut self) -> Result<Option<ConsumerRecord>, Malformed> {
        let next = std::mem::replace(&mut self.ahead, Ok(None))?;
        if next.is_some() {
            self.look_ahead();
        }
        Ok(next)
    }

    /// Below it everything was handed out, or is not for readers.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// The offset behind the last batch, without a look at what is in them.
    pub(super) fn end(&self) -> i64 {
        let mut end = self.position;
        let mut rest = &self.rest[..];
        while let Some(batch) = split_batch(&mut rest) {
            end = end.max(Head(batch).last_offset() + 1);
        }
        self.open.as_ref().map_or(end, |open| end.max(open.last_offset + 1))
    }

    /// Whether the next batch cannot be read.
    pub(super) fn has_failed(&self) -> bool {
        self.ahead.is_err()
    }

    fn look_ahead(&mut self) {
        self.ahead = self.read();
        if let Ok(Some(record)) = &self.ahead {
            self.position = record.offset;
        }
    }

    fn read(&mut self) -> Result<Option<ConsumerRecord>, Malformed> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(record) = open.next(&self.place, self.from)? {
                    return Ok(Some(record));
                }
                self.position = self.position.max(open.last_offset + 1);
                self.open = None;
            }
            self.check_version()?;
            // An answer may end in the middle of a batch.
            let Some(length) = split_batch(&mut &self.rest[..]).map(<[u8]>::len) else { return Ok(None) };
            let batch = self.rest.split_to(length);
            let head = Head(&batch).checked()?;
            if self.is_visible(head) {
                self.open = Some(OpenBatch::new(head, batch.slice(HEAD..))?);
            } else {
                self.position = self.position.max(head.last_offset() + 1);
            }
        }
    }

    /// The version stands at the same place in all of them; little else does.
    fn check_version(&self) -> Result<(), Malformed> {
        let Some(version) = self.rest.get(16).filter(|version| **version != 2) else { return Ok(()) };
        let why =
            format!("has the format of version {version}; only version 2 (Kafka 0.11 and later) is read");
        let offset = self.rest.first_chunk().map_or(self.position, |offset| i64::from_be_bytes(*offset));
        Err(Malformed { offset, why })
    }

    /// Whether the batch's records are records of the application, and committed.
    fn is_visible(&mut self, head: Head<'_>) -> bool {
        let producer = head.producer();
        if producer >= 0 {
            while let Some(aborted) = self.aborted.pop_if(|aborted| aborted.first <= head.last_offset()) {
                self.aborting.push(aborted.producer);
            }
            if head.is_abort_marker() {
                self.aborting.retain(|aborting| *aborting != producer);
            } else if head.is_transactional() && self.aborting.contains(&producer) {
                return false;
            }
        }
        !head.is_control()
    }
}

/// Takes the first batch off, if all of it is there.
fn split_batch<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = bytes.get(8..AFTER_LENGTH)?.first_chunk()?;
    let length = AFTER_LENGTH + usize::try_from(i32::from_be_bytes(*length)).ok()?;
    let (batch, rest) = bytes.split_at_checked(length.max(HEAD))?;
    *bytes = rest;
    Some(batch)
}

/// A batch's fields, at their places. It has at least [`HEAD`] bytes.
#[derive(Clone, Copy)]
struct Head<'a>(&'a [u8]);

impl Head<'_> {
    fn checked(self) -> Result<Self, Malformed> {
        let (expected, actual) = (self.i32(17).cast_unsigned(), crc32c::crc32c(&self.0[AFTER_CHECKSUM..]));
        if expected != actual {
            let why = format!("is damaged: its checksum is {actual:08x} and should be {expected:08x}");
            return Err(Malformed { offset: self.first_offset(), why });
        }
        Ok(self)
    }

    fn first_offset(self) -> i64 {
        self.i64(0)
    }

    fn last_offset(self) -> i64 {
        self.first_offset().saturating_add(self.i32(23).into())
    }

    fn attributes(self) -> u8 {
        self.0[22]
    }

    fn is_stamped_by_broker(self) -> bool {
        self.attributes() & 8 != 0
    }

    fn is_transactional(self) -> bool {
        self.attributes() & 16 != 0
    }

    fn is_control(self) -> bool {
        self.attributes() & 32 != 0
    }

    fn producer(self) -> i64 {
        self.i64(43)
    }

    /// Whether it tells that its producer has aborted: the type stands in the key of its one record.
    fn is_abort_marker(self) -> bool {
        let has_records = self.is_control() && self.i32(57) > 0;
        let record = has_records.then(|| Cursor(&self.0[HEAD..]).record()).and_then(Result::ok);
        record.and_then(|record| record.key).is_some_and(|key| key.get(2..4) == Some(&[0, 0]))
    }

    fn i32(self, at: usize) -> i32 {
        self.0[at..].first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes))
    }

    fn i64(self, at: usize) -> i64 {
        self.0[at..].first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
    }
}

/// A batch whose records are being handed out.
#[derive(Debug)]
struct OpenBatch {
    records: Bytes,
    /// Where in them the next record begins.
    at: usize,
    left: i32,
    first_offset: i64,
    last_offset: i64,
    first_time: i64,
    /// The time of all its records, when the broker has set it.
    broker_time: Option<i64>,
}

impl OpenBatch {
    fn new(head: Head<'_>, records: Bytes) -> Result<Self, Malformed> {
        let records = decompressed(head.attributes() & 7, records)
            .map_err(|why| Malformed { offset: head.first_offset(), why })?;
        Ok(Self {
            records,
            at: 0,
            left: head.i32(57),
            first_offset: head.first_offset(),
            last_offset: head.last_offset(),
            first_time: head.i64(27),
            broker_time: head.is_stamped_by_broker().then(|| head.i64(35)),
        })
    }

    /// The next record at `from` or behind it.
    fn next(&mut self, place: &TopicPartition, from: i64) -> Result<Option<ConsumerRecord>, Malformed> {
        let malformed = |offset: i64, CutOff: CutOff| Malformed {
            offset,
            why: "has a record that does not end where it should".to_string(),
        };
        while self.left > 0 {
            self.left -= 1;
            let mut cursor = Cursor(&self.records[self.at..]);
            let record = cursor.record().map_err(|cut_off| malformed(self.first_offset, cut_off))?;
            self.at = self.records.len() - cursor.0.len();
            let offset = self.first_offset.saturating_add(record.offset_delta);
            if offset < from {
                continue;
            }
            let time = self.broker_time.unwrap_or(self.first_time.saturating_add(record.time_delta));
            return Ok(Some(ConsumerRecord {
                topic: Arc::clone(&place.topic),
                partition: place.partition,
                offset,
                timestamp: Timestamp::from_millis(time),
                // Copies: a slice would keep the whole answer in memory as long as the record.
                key: record.key.map(Bytes::copy_from_slice),
                value: record.value.map(Bytes::copy_from_slice),
                headers: record.headers().map_err(|cut_off| malformed(self.first_offset, cut_off))?,
            }));
        }
        if self.at < self.records.len() {
            return Err(malformed(self.first_offset, CutOff));
        }
        Ok(None)
    }
}

fn decompressed(codec: u8, mut records: Bytes) -> Result<Bytes, String> {
    let plain = match codec {
        0 => return Ok(records),
        1 => Gzip::decompress(&mut records, |plain| Ok(std::mem::take(plain))),
        2 => Snappy::decompress(&mut records, |plain| Ok(std::mem::take(plain))),
        3 => Lz4::decompress(&mut records, |plain| Ok(std::mem::take(plain))),
        4 => Zstd::decompress(&mut records, |plain| Ok(std::mem::take(plain))),
        codec => return Err(format!("is compressed in a way that is not known: {codec}")),
    };
    plain.map_err(|error| format!("cannot be decompressed: {error:#}"))
}

/// Less is there than should be, or more.
#[derive(Clone, Copy, Debug)]
struct CutOff;

/// What is still to be read.
struct Cursor<'a>(&'a [u8]);

struct RawRecord<'a> {
    time_delta: i64,
    offset_delta: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    /// Their number, and they.
    headers: &'a [u8],
}

impl RawRecord<'_> {
    fn headers(&self) -> Result<Vec<Header>, CutOff> {
        let mut cursor = Cursor(self.headers);
        let count = cursor.varint()?;
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = cursor.bytes()?.ok_or(CutOff)?;
            let value = cursor.bytes()?;
            // A name that is no text cannot be shown; the record can.
            if let Ok(name) = std::str::from_utf8(name) {
                headers.push(Header { name: name.to_string(), value: value.map(Bytes::copy_from_slice) });
            }
        }
        if cursor.0.is_empty() { Ok(headers) } else { Err(CutOff) }
    }
}

impl<'a> Cursor<'a> {
    fn record(&mut self) -> Result<RawRecord<'a>, CutOff> {
        let length = usize::try_from(self.varint()?).map_err(|_| CutOff)?;
        let mut body = Cursor(self.take(length)?);
        let _attributes = body.take(1)?;
        Ok(RawRecord {
            time_delta: body.varint()?,
            offset_delta: body.varint()?,
            key: body.bytes()?,
            value: body.bytes()?,
            headers: body.0,
        })
    }

    /// Bytes with their length; −1 stands for none.
    fn bytes(&mut self) -> Result<Option<&'a [u8]>, CutOff> {
        match self.varint()? {
            -1 => Ok(None),
            length => Ok(Some(self.take(usize::try_from(length).map_err(|_| CutOff)?)?)),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CutOff> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CutOff)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number in zigzag, seven bits a byte, the lowest first.
    fn varint(&mut self) -> Result<i64, CutOff> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(CutOff)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(CutOff)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::indexmap::IndexMap;
    use kafka_protocol::records::{
        Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };

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

    fn records(offsets: std::ops::Range<i64>) -> BytesMut {
        batch(PLAIN, &offsets.map(|offset| record(offset, &offset.to_string())).collect::<Vec<_>>())
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
        bytes.extend_from_slice(&[u8::try_from(record.len() * 2).unwrap()]);
        bytes.extend_from_slice(&record);
        let length = i32::try_from(bytes.len() - AFTER_LENGTH).unwrap();
        with(bytes, 8, &length.to_be_bytes())
    }

    #[test]
    fn headers_keep_their_order_and_may_share_a_name() {
        let expected = [Header::new("h", "1"), Header { name: "h".to_string(), value: None }];
        let mut batches = read(0, &[with_headers(b"\x06\x02h\x021\x02\xff\x021\x02h\x01")], &[]);
        assert_eq!(
            batches.next().unwrap().unwrap().headers,
            expected,
            "without the one whose name is no text"
        );
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
        check_malformed(&[with(records(3..5), 57, &3_i32.to_be_bytes())], "does not end where it should");
        check_malformed(&[with(records(3..5), 57, &1_i32.to_be_bytes())], "does not end where it should");
        check_malformed(&[with_headers(b"\x02\x01\x01")], "does not end where it should");
        check_malformed(&[with_headers(b"\x00\x00")], "does not end where it should");
    }
}
