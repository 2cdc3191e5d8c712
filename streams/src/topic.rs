//! Topics: a name, the types of key and value, and what becomes of old records.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A topic whose records have keys of type `K` and values of type `V`.
pub struct Topic<K, V> {
    name: &'static str,
    cleanup: Cleanup,
    pub(crate) key_of: KeyOf<K, V>,
}

/// Finds the key that a value names, where values name their keys and this one does.
pub(crate) type KeyOf<K, V> = Option<fn(&V) -> Option<&K>>;

impl<K, V> Topic<K, V> {
    /// A topic that keeps its records for the broker's retention time.
    pub const fn new(name: &'static str) -> Self {
        Self { name, cleanup: Cleanup::Delete, key_of: None }
    }

    /// The same topic, keeping the last value of each key for ever, and each value at least for `min_lag`.
    pub const fn compacted(self, min_lag: Duration) -> Self {
        Self { cleanup: Cleanup::Compact { min_lag }, ..self }
    }

    /// The same topic, whose values name their keys: `key_of` finds the key in a value that does. No reader takes a record under
    /// another key than its value names.
    pub const fn keyed_by(self, key_of: fn(&V) -> Option<&K>) -> Self {
        Self { key_of: Some(key_of), ..self }
    }

    /// The same topic with its values seen as those of another type, which has the same JSON or reads less of it:
    /// what a reader does not need costs it little more than to be passed over. `key_of` is as for
    /// [`Topic::keyed_by`].
    pub const fn values_as<W>(self, key_of: fn(&W) -> Option<&K>) -> Topic<K, W> {
        Topic { name: self.name, cleanup: self.cleanup, key_of: Some(key_of) }
    }

    /// The topic's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the broker has to know of it.
    pub fn spec(&self) -> TopicSpec {
        TopicSpec { name: self.name.into(), cleanup: self.cleanup }
    }
}

impl<K, V> fmt::Debug for Topic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).field("cleanup", &self.cleanup).finish()
    }
}

/// What a broker has to know of a topic, besides the number of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// The topic's name.
    pub name: Arc<str>,
    /// What becomes of old records.
    pub cleanup: Cleanup,
}

/// What becomes of a topic's old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Deleted after the broker's retention time.
    Delete,
    /// Only the last value of each key is kept, and each value at least for `min_lag`.
    Compact {
        /// Kafka's `min.compaction.lag.ms`.
        min_lag: Duration,
    },
    /// Only the last value of each key is kept: the changelog of stores, which is restored whole.
    Changelog,
    /// Kept until the application that reads it asks for deletion (repartition topics).
    Purged,
}

/// Kafka Streams' `segment.bytes` of repartition topics. The broker's default of 1 GiB would keep what is deleted or
/// superseded on the disk: only whole segments go, and never the last one.
const SEGMENT: u64 = 50 << 20;
/// Most rows of stores live briefly, and what the cleaner does not see is read back at a restore: with segments of this
/// size that is some 150,000 records a partition. Kafka Streams leaves changelogs the broker's default.
const CHANGELOG_SEGMENT: u64 = 16 << 20;
/// Most of what is left of rows that lived briefly is their tombstones. Nobody but a restore reads them, and a store that
/// was away for half of this time is rebuilt; Kafka's default is a day.
const CHANGELOG_TOMBSTONES: Duration = Duration::from_secs(4 * 60 * 60);

impl Cleanup {
    /// Kafka's `segment.bytes`; none where the broker's default is left.
    pub fn segment_bytes(self) -> Option<u64> {
        match self {
            Cleanup::Delete => None,
            Cleanup::Compact { .. } | Cleanup::Purged => Some(SEGMENT),
            Cleanup::Changelog => Some(CHANGELOG_SEGMENT),
        }
    }

    /// Kafka's `delete.retention.ms`, how long tombstones stay; none where the broker's default is left.
    pub fn delete_retention(self) -> Option<Duration> {
        (self == Cleanup::Changelog).then_some(CHANGELOG_TOMBSTONES)
    }

    /// Kafka's `cleanup.policy`.
    pub fn policy(self) -> &'static str {
        match self {
            Cleanup::Compact { .. } | Cleanup::Changelog => "compact",
            Cleanup::Delete | Cleanup::Purged => "delete",
        }
    }

    /// The topic settings that follow from it, by Kafka's names.
    pub fn settings(self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("cleanup.policy", self.policy().to_string()),
            // Event time is in the payload. The producer's clock decides neither what retention deletes
            // nor whether the broker takes a record.
            ("message.timestamp.type", "LogAppendTime".to_string()),
        ];
        if let Some(bytes) = self.segment_bytes() {
            settings.push(("segment.bytes", bytes.to_string()));
        }
        if let Some(time) = self.delete_retention() {
            settings.push(("delete.retention.ms", time.as_millis().to_string()));
        }
        match self {
            Cleanup::Delete | Cleanup::Changelog => {}
            Cleanup::Compact { min_lag } => {
                settings.push(("min.compaction.lag.ms", min_lag.as_millis().to_string()));
            }
            Cleanup::Purged => settings.push(("retention.ms", "-1".to_string())),
        }
        settings
    }
}
