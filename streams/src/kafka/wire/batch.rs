//! A batch of records as Kafka's log holds it: record batch format, version 2.
//!
//! Written by hand because the library's encoder keeps headers in a map, and a dead letter has to keep headers of the
//! same name; and so that a record is copied once, into the request that carries it.
//! <https://kafka.apache.org/documentation/#recordbatch>

use bytes::{BufMut, Bytes, BytesMut};

use crate::Timestamp;
use crate::record::Content;

/// Up to where the records begin.
pub(super) const HEAD: usize = 61;
/// What the length counts begins here.
pub(super) const AFTER_LENGTH: usize = 12;
/// What the checksum covers begins here.
pub(super) const AFTER_CHECKSUM: usize = 21;
const CHECKSUM: usize = 17;
const MAGIC: i8 = 2;
const IS_TRANSACTIONAL: i16 = 1 << 4;

/// Who writes a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer: i64,
    pub(super) epoch: i16,
}

/// Records of one partition that are being put together.
#[derive(Debug)]
pub(super) struct Batch {
    attributes: i16,
    bytes: BytesMut,
    count: i32,
    first: Timestamp,
    last: Timestamp,
}

impl Batch {
    /// Of records of a transaction, the first of which is sent now. The buffer's content is given up.
    pub(super) fn of_transaction(now: Timestamp, buffer: BytesMut) -> Self {
        let mut bytes = buffer;
        bytes.clear();
        bytes.put_bytes(0, HEAD);
        Self { attributes: IS_TRANSACTIONAL, bytes, count: 0, first: now, last: now }
    }

    /// Of records outside of any transaction.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { attributes: 0, bytes: BytesMut::zeroed(HEAD), count: 0, first: now, last: now }
    }

    /// When its first record was sent.
    pub(super) fn begun(&self) -> Timestamp {
        self.first
    }

    /// How many records are in it.
    pub(super) fn count(&self) -> i32 {
        self.count
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record, with the time at which it is sent.
    pub(super) fn push(&mut self, record: Content<'_>, now: Timestamp) {
        let time = now.as_millis() - self.first.as_millis();
        let mut length = 1 + size_of_varint(time) + size_of_varint(self.count.into());
        length += size_of_bytes(record.key) + size_of_bytes(record.value);
        length += size_of_varint(record.headers.len() as i64);
        for header in record.headers {
            length += size_of_bytes(Some(header.name.as_bytes())) + size_of_bytes(header.value.as_deref());
        }

        let bytes = &mut self.bytes;
        bytes.reserve(length + size_of_varint(length as i64));
        put_varint(bytes, length as i64);
        bytes.put_i8(0);
        put_varint(bytes, time);
        put_varint(bytes, self.count.into());
        put_bytes(bytes, record.key);
        put_bytes(bytes, record.value);
        put_varint(bytes, record.headers.len() as i64);
        for header in record.headers {
            put_bytes(bytes, Some(header.name.as_bytes()));
            put_bytes(bytes, header.value.as_deref());
        }
        self.count += 1;
        self.last = self.last.max(now);
    }

    /// The whole batch, with `sequence` as the number of its first record in its producer's epoch.
    pub(super) fn seal(mut self, identity: Identity, sequence: i32) -> Bytes {
        let length = self.bytes.len() - AFTER_LENGTH;
        let mut head = &mut self.bytes[..HEAD];
        head.put_i64(0);
        head.put_i32(length as i32);
        // The leader's epoch, for the leader to fill in, and the checksum, for later.
        head.put_i32(-1);
        head.put_i8(MAGIC);
        head.put_u32(0);
        head.put_i16(self.attributes);
        head.put_i32(self.count - 1);
        head.put_i64(self.first.as_millis());
        head.put_i64(self.last.as_millis());
        head.put_i64(identity.producer);
        head.put_i16(identity.epoch);
        head.put_i32(sequence);
        head.put_i32(self.count);
        let checksum = crc32c::crc32c(&self.bytes[AFTER_CHECKSUM..]);
        self.bytes[CHECKSUM..AFTER_CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        self.bytes.freeze()
    }
}

fn size_of_bytes(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| size_of_varint(bytes.len() as i64) + bytes.len())
}

fn put_bytes(buffer: &mut BytesMut, bytes: Option<&[u8]>) {
    put_varint(buffer, bytes.map_or(-1, |bytes| bytes.len() as i64));
    buffer.put_slice(bytes.unwrap_or_default());
}

/// Small numbers of either sign become small numbers.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn size_of_varint(number: i64) -> usize {
    (64 - (zigzag(number) | 1).leading_zeros() as usize).div_ceil(7)
}

fn put_varint(buffer: &mut BytesMut, number: i64) {
    let mut rest = zigzag(number);
    while rest >= 0x80 {
        buffer.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    buffer.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use kafka_protocol::records::RecordBatchDecoder;

    use super::*;
    use crate::record::{Header, ProducerRecord};

    fn record(key: Option<&'static str>, value: Option<&'static str>) -> ProducerRecord {
        ProducerRecord {
            topic: "t".into(),
            partition: 0,
            key: key.map(Bytes::from),
            value: value.map(Bytes::from),
            headers: Vec::new(),
        }
    }

    #[test]
    fn what_was_put_in_is_read_again() {
        let long = "x".repeat(70_000).leak();
        let mut with_headers = record(Some("k"), Some("v"));
        with_headers.headers = vec![Header::new("a", "1"), Header { name: "b".to_string(), value: None }];
        let records =
            [record(None, None), record(Some(""), Some("")), record(Some("key"), Some(long)), with_headers];

        let mut batch = Batch::of_transaction(Timestamp::from_millis(1_000), BytesMut::zeroed(100));
        for (number, record) in records.iter().enumerate() {
            batch.push(record.content(), Timestamp::from_millis(1_000 + number as i64 * 100));
        }
        assert_eq!(batch.count(), 4);
        let mut sealed = batch.seal(Identity { producer: 7, epoch: 3 }, 11);

        let read = RecordBatchDecoder::decode(&mut sealed).unwrap().records;
        for (number, (read, record)) in read.iter().zip(&records).enumerate() {
            let number = number as i64;
            assert_eq!((&read.key, &read.value), (&record.key, &record.value));
            assert_eq!((read.offset, read.timestamp), (number, 1_000 + number * 100));
            assert_eq!((read.producer_id, read.producer_epoch, read.transactional), (7, 3, true));
            assert_eq!(i64::from(read.sequence), 11 + number);
        }
        let headers: Vec<_> = read[3].headers.iter().map(|(name, value)| (&**name, value.clone())).collect();
        assert_eq!(headers, [("a", Some(Bytes::from("1"))), ("b", None)]);
        assert_eq!(read.len(), 4);
    }

    #[test]
    fn a_batch_outside_of_transactions_says_so() {
        let mut batch = Batch::new(Timestamp::from_millis(1_000));
        batch.push(record(None, Some("v")).content(), Timestamp::from_millis(1_000));
        let mut sealed = batch.seal(Identity { producer: 7, epoch: 3 }, 11);
        let read = &RecordBatchDecoder::decode(&mut sealed).unwrap().records[0];
        assert_eq!((read.producer_id, read.producer_epoch, read.transactional), (7, 3, false));
    }

    #[test]
    fn numbers_take_the_room_they_need() {
        for (number, bytes) in
            [(0, 1), (-1, 1), (63, 1), (-64, 1), (64, 2), (8191, 2), (8192, 3), (i64::MIN, 10)]
        {
            let mut buffer = BytesMut::new();
            put_varint(&mut buffer, number);
            assert_eq!((buffer.len(), size_of_varint(number)), (bytes, bytes), "{number}");
        }
    }
}
