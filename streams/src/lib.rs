//! Stateful stream processing on Apache Kafka, exactly once: what Kafka Streams is for Java.
//!
//! A program describes a [`Topology`]: which topics are read, what is done with the records, what is remembered, and
//! where the results go. The runtime ([`Streams`]) runs it on any number of threads and machines; Kafka's partitions
//! and consumer groups share the work out. State is kept in [`Store`]s on local disk, with a changelog topic from which
//! they are restored anywhere else, and can be read from outside ([`Queries`]).
//!
//! # Exactly once
//!
//! What a record leads to (records put out, changes of stores, the position in the input) is committed in one Kafka
//! transaction, or not at all. A store takes what was written only after Kafka has committed it, so that it is never
//! ahead, and a crash leaves nothing to undo. Outside readers see committed state only.
//!
//! # Tasks
//!
//! A task is one partition of an application: it takes that partition of every source and repartition topic, and owns that
//! partition of every store. All topics of an application therefore have the same number of partitions, and
//! records with the same key meet in the same task. Records are to be re-keyed ([`Stream::rekey`]) where they have
//! to meet by something else.
//!
//! # Example
//!
//! How much each account has spent, and an alert at the payment that goes beyond 100:
//!
//! ```
//! use streams::{Context, ProcessError, Processor, Store, TestDriver, Topic, Topology};
//!
//! const PAYMENTS: Topic<String, u64> = Topic::new("payments");
//! const ALERTS: Topic<String, u64> = Topic::new("alerts");
//!
//! struct Limit {
//!     spent: Store<String, u64>,
//! }
//!
//! impl Processor for Limit {
//!     type KeyIn = String;
//!     type ValueIn = u64;
//!     type KeyOut = String;
//!     type ValueOut = u64;
//!
//!     fn process(
//!         &self,
//!         account: String,
//!         amount: u64,
//!         context: &mut Context<'_, String, u64>,
//!     ) -> Result<(), ProcessError> {
//!         let before = context.get(&self.spent, &account)?.unwrap_or(0);
//!         let spent = before + amount;
//!         context.put(&self.spent, &account, &spent)?;
//!         if before <= 100 && spent > 100 {
//!             context.forward(account, spent);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! fn topology() -> Topology {
//!     let mut builder = Topology::builder("limits");
//!     let spent = builder.store("spent");
//!     builder.source(&PAYMENTS).process(Limit { spent }).sink(&ALERTS);
//!     builder.build()
//! }
//!
//! // The same function is run by a test, in memory and with the time that it says ...
//! let mut driver = TestDriver::new(topology());
//! driver.pipe(&PAYMENTS, &"a-1".to_string(), &70);
//! driver.pipe(&PAYMENTS, &"a-1".to_string(), &50);
//! assert_eq!(driver.read(&ALERTS), [("a-1".to_string(), 120)]);
//! ```
//!
//! ... and on Kafka:
//!
//! ```no_run
//! # use std::{path::Path, sync::Arc};
//! # use streams::{StateDirectory, Streams, StreamsConfig, kafka::{Kafka, KafkaConfig}};
//! # fn topology() -> streams::Topology { streams::Topology::builder("limits").build() }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kafka = Kafka::new(KafkaConfig::new("127.0.0.1:9092"));
//! let state = StateDirectory::open(Path::new("./state"), None)?;
//! let running = Streams::start(topology(), StreamsConfig::default(), Arc::new(kafka), Arc::new(state))?;
//! // ... until it is time to stop:
//! running.close();
//! # Ok(())
//! # }
//! ```

mod application;
mod client;
mod codec;
mod command;
mod dead_letter;
mod end_of_input;
pub mod faults;
mod global;
mod global_reader;
mod guard;
mod health;
mod held_up;
mod host;
mod inquiry;
pub mod kafka;
mod mailbox;
mod metrics;
mod owners;
mod pace;
mod partitioner;
mod processor;
mod progress;
mod purge;
mod range_assignor;
mod readers;
mod record;
mod rejection;
mod restore;
mod retry;
mod run;
mod runtime;
mod setup;
pub mod simulation;
mod state_directory;
mod stop;
mod store;
mod task;
mod test_driver;
mod time;
mod topic;
mod topology;
mod worker;

pub use self::client::*;
pub use self::codec::{
    DecodeError, EncodeError, Key, ReadValue, Value, decode_key, decode_value, encode_key, encode_value,
};
pub use self::command::{CommandWriter, Written};
pub use self::dead_letter::headers as dead_letter_headers;
pub use self::global::GlobalTable;
pub use self::health::{Health, Note};
pub use self::metrics::Metrics;
pub use self::owners::{Owner, Owners};
pub use self::partitioner::{Misplaced, partition_of};
pub use self::processor::{Context, ProcessError, Processor};
pub use self::readers::{Queries, QueryError, Wanted, Watcher};
pub use self::record::{ChangelogRecord, ConsumerRecord, Header, Origin, ProducerRecord, TopicPartition};
pub use self::runtime::{StartError, Streams, StreamsConfig};
pub use self::state_directory::{StateDirectory, StateDirectoryError};
pub use self::store::{
    BackendError, Change, Checkpoint, FjallStores, MemoryStore, OpenStoresError, Store, StoreBackend,
    StoreError, StoreSupplier, Visit,
};
pub use self::test_driver::TestDriver;
pub use self::time::Timestamp;
pub use self::topic::{Cleanup, Topic, TopicSpec};
pub use self::topology::{Stream, Topology, TopologyBuilder};
