//! Records in the form of librdkafka, and back.

use std::panic::{self, AssertUnwindSafe};

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header as KafkaHeader, Headers, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use rdkafka::util::IntoOpaque;

use super::names::Names;
use crate::Timestamp;
use crate::record::{ConsumerRecord, Header, ProducerRecord};

/// A record as it was read.
pub(super) fn read(message: &BorrowedMessage<'_>, names: &mut Names) -> ConsumerRecord {
    ConsumerRecord {
        topic: names.inside(message.topic()),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or_default()),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: message.headers().map(headers).unwrap_or_default(),
    }
}

/// A record to be written to `topic`, as the cluster calls it.
pub(super) fn written<'a, D: IntoOpaque>(
    topic: &'a str,
    record: &'a ProducerRecord,
    opaque: D,
) -> BaseRecord<'a, [u8], [u8], D> {
    let mut base = BaseRecord::with_opaque_to(topic, opaque).partition(record.partition);
    base.key = record.key.as_deref();
    base.payload = record.value.as_deref();
    if !record.headers.is_empty() {
        base.headers = Some(record.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
            headers.insert(KafkaHeader { key: &header.name, value: header.value.as_deref() })
        }));
    }
    base
}

fn headers(headers: &impl Headers) -> Vec<Header> {
    // rdkafka panics on a name that is not UTF-8, and a record must not stop the worker that reads it.
    (0..headers.count())
        .filter_map(|index| panic::catch_unwind(AssertUnwindSafe(|| header(headers, index))).ok().flatten())
        .collect()
}

fn header(headers: &impl Headers, index: usize) -> Option<Header> {
    let header = headers.try_get(index)?;
    Some(Header { name: header.key.to_string(), value: header.value.map(Bytes::copy_from_slice) })
}
