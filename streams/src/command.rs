//! Writing commands: records from outside any topology, each delivered on its own.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::client::{ClientError, ErrorKind, Writer};
use crate::codec::{Key, Value, encode_key, encode_value};
use crate::partitioner::partition_of;
use crate::record::ProducerRecord;
use crate::topic::Topic;

/// Writes records to the topics of one application's inputs. Cheap to clone.
#[derive(Clone)]
pub struct CommandWriter {
    writer: Arc<dyn Writer>,
    partitions: i32,
}

/// Where a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Written {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl CommandWriter {
    /// Writes by `writer`, to topics of `partitions` partitions.
    pub fn new(writer: Arc<dyn Writer>, partitions: i32) -> Self {
        Self { writer, partitions }
    }

    /// Writes a record and waits until Kafka has it on all replicas in sync.
    pub async fn send<K: Key, V: Value>(
        &self,
        topic: &Topic<K, V>,
        key: &K,
        value: &V,
    ) -> Result<Written, ClientError> {
        let attempted = || format!("write to {}", topic.name());
        let key = encode_key(key);
        let value = encode_value(value).map_err(|e| ClientError {
            kind: ErrorKind::Refused,
            attempted: attempted(),
            reason: e.to_string(),
        })?;
        let partition = partition_of(&key, self.partitions);
        let record = ProducerRecord {
            topic: topic.name().into(),
            partition,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        };
        let (delivered, delivery) = oneshot::channel();
        self.writer.send(record, Box::new(move |result| drop(delivered.send(result))));
        let unknown = |_| ClientError {
            kind: ErrorKind::Retriable,
            attempted: attempted(),
            reason: "the producer has ended".to_string(),
        };
        let offset = delivery.await.map_err(unknown)??;
        Ok(Written { partition, offset })
    }
}
