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

use super::batch::{AFTER_CHECKSUM, AFTER_LENGTH, HEAD};
use super::compression::decompressed;
use crate::Timestamp;
use crate::record::{ConsumerRecord, Header, TopicPartition};

/// More headers than these a record does not come with.
const MAX_HEADERS: usize = 10_000;

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
            end = end.max(Head(batch).end());
        }
        self.open.as_ref().map_or(end, |open| end.max(open.end))
    }

    /// Whether nothing is left to hand out or to complain of.
    pub(super) fn is_over(&self) -> bool {
        self.ahead == Ok(None)
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
                self.position = self.position.max(open.end);
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
                self.position = self.position.max(head.end());
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

    /// The offset behind it.
    fn end(self) -> i64 {
        self.last_offset().saturating_add(1)
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
    /// The offset behind it.
    end: i64,
    first_time: i64,
    /// The time of all its records, when the broker has set it.
    broker_time: Option<i64>,
}

impl OpenBatch {
    fn new(head: Head<'_>, records: Bytes) -> Result<Self, Malformed> {
        let records = decompressed(head.attributes() & 7, records)
            .map_err(|why| Malformed { offset: head.first_offset(), why: why.to_string() })?;
        Ok(Self {
            records,
            at: 0,
            left: head.i32(57),
            first_offset: head.first_offset(),
            end: head.end(),
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
                // As long as these are there, so is all that came with them.
                key: record.key.map(|key| self.records.slice_ref(key)),
                value: record.value.map(|value| self.records.slice_ref(value)),
                headers: record.headers().map_err(|cut_off| malformed(self.first_offset, cut_off))?,
            }));
        }
        if self.at < self.records.len() {
            return Err(malformed(self.first_offset, CutOff));
        }
        Ok(None)
    }
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
            // A name that is no text cannot be shown; the record can. An empty header takes thirty times the room that it
            // had on its way.
            if headers.len() < MAX_HEADERS
                && let Ok(name) = std::str::from_utf8(name)
            {
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
pub(super) mod tests;
