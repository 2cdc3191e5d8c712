//! Records as they stand in Kafka: bytes, with their place.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::Timestamp;

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A header of a record: a name, and a value that Kafka lets be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The header's name.
    pub name: String,
    /// Its value.
    pub value: Option<Bytes>,
}

impl Header {
    /// A header with a value.
    pub fn new(name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }
}

/// A record as a consumer reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Where it stands.
    pub topic: Arc<str>,
    /// The partition it stands in.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// The broker's or the producer's time, as the topic is set.
    pub timestamp: Timestamp,
    /// The key's bytes. They may be a part of all that came with the record: whoever keeps them copies
    /// them ([`ConsumerRecord::into_owned`]).
    pub key: Option<Bytes>,
    /// The value's bytes, like the key's; absent in a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

impl ConsumerRecord {
    /// The same with a key and a value of its own, to be kept.
    pub fn into_owned(mut self) -> Self {
        let copied = |bytes: Bytes| Bytes::copy_from_slice(&bytes);
        (self.key, self.value) = (self.key.map(copied), self.value.map(copied));
        self
    }

    /// Topic, partition and offset: enough to find the record again.
    pub fn origin(&self) -> Origin {
        Origin {
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
        }
    }
}

/// The place and time of the record that is being processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The topic it was read from.
    pub topic: Arc<str>,
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp there.
    pub timestamp: Timestamp,
}

/// A record to be written. The partition is always set: the runtime places keys as Java clients do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerRecord {
    /// The topic to write to.
    pub topic: Arc<str>,
    /// The partition to write to.
    pub partition: i32,
    /// The key's bytes.
    pub key: Option<Bytes>,
    /// The value's bytes; absent in a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

impl ProducerRecord {
    /// Its content, to be copied.
    pub(crate) fn content(&self) -> Content<'_> {
        Content { key: self.key.as_deref(), value: self.value.as_deref(), headers: &self.headers }
    }
}

/// A change of a store, as it is written to the changelog. Its bytes stay the store's.
#[derive(Clone, Copy, Debug)]
pub struct ChangelogRecord<'a> {
    /// The changelog.
    pub topic: &'a Arc<str>,
    /// The partition to write to.
    pub partition: i32,
    /// The key's bytes.
    pub key: &'a Bytes,
    /// The value's bytes; absent where the key is deleted.
    pub value: Option<&'a Bytes>,
}

impl ChangelogRecord<'_> {
    /// Its content, to be copied.
    pub(crate) fn content(&self) -> Content<'_> {
        Content { key: Some(self.key), value: self.value.map(AsRef::as_ref), headers: &[] }
    }
}

impl From<ChangelogRecord<'_>> for ProducerRecord {
    fn from(record: ChangelogRecord<'_>) -> Self {
        Self {
            topic: record.topic.clone(),
            partition: record.partition,
            key: Some(record.key.clone()),
            value: record.value.cloned(),
            headers: Vec::new(),
        }
    }
}

/// What a record says, wherever it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header],
}

impl Content<'_> {
    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers = self.headers.iter().map(|header| header.name.len() + of(header.value.as_deref()) + 8);
        of(self.key) + of(self.value) + headers.sum::<usize>() + 24
    }
}
