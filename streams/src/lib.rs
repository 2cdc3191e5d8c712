//! Stateful stream processing on Kafka, exactly once.
#![doc = ""]

mod client;
mod codec;
mod dead_letter;
mod end_of_input;
mod global;
mod partitioner;
mod processor;
mod record;
mod run;
mod store;
mod task;
mod test_driver;
mod time;
mod topic;
mod topology;

pub use self::client::*;
pub use self::codec::{DecodeError, EncodeError, Key, Value, decode_key, decode_value, encode_key, encode_value};
pub use self::global::GlobalTable;
pub use self::partitioner::partition_of;
pub use self::processor::{Context, ProcessError, Processor};
pub use self::record::{ConsumerRecord, Header, Origin, ProducerRecord, TopicPartition};
pub use self::store::{BackendError, Change, FjallStores, MemoryStore, Store, StoreBackend, StoreError};
pub use self::test_driver::TestDriver;
pub use self::time::Timestamp;
pub use self::topic::{Cleanup, Topic, TopicSpec};
pub use self::topology::{Stream, Topology, TopologyBuilder};
