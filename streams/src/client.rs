//! The one door to Kafka: what the runtime needs of it, and nothing else.
//!
//! [`crate::kafka`] is the real one. A simulated one stands behind the same traits.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::record::{ChangelogRecord, ConsumerRecord, ProducerRecord, TopicPartition};
use crate::topic::TopicSpec;

/// Makes the clients that an application needs. (Kafka Streams calls it `KafkaClientSupplier`.)
pub trait ClientSupplier: Send + Sync {
    /// A member of a consumer group.
    fn consumer(&self, membership: &Membership) -> Result<Box<dyn GroupConsumer>, ClientError>;

    /// A producer with transactions.
    fn producer(&self, transactional_id: &str) -> Result<Box<dyn TransactionalProducer>, ClientError>;

    /// A reader outside the group, for offsets and changelogs. `group` is whose committed offsets it sees.
    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ClientError>;

    /// A producer without transactions: idempotent, `acks=all`.
    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError>;

    /// After how long without a sign of life the group goes on without a member.
    fn session_timeout(&self) -> Duration {
        Duration::from_secs(6)
    }

    /// For topics and the cluster.
    fn admin(&self) -> Result<Box<dyn Admin>, ClientError>;
}

/// How a consumer takes part in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The consumer group: the application's name.
    pub group: String,
    /// Seen by all who look at the group: carries the address at which the member answers.
    pub client_id: String,
}

/// A member of a consumer group: classic protocol, range assignor, everything revoked at each rebalance.
pub trait GroupConsumer: Send {
    /// Joins the group for these topics.
    fn subscribe(&mut self, topics: &[Arc<str>]) -> Result<(), ClientError>;

    /// The next event; none when `wait` has passed without one. Has to be called often enough for
    /// the member to stay in the group.
    fn poll(&mut self, wait: Duration) -> Result<Option<GroupEvent>, ClientError>;

    /// Reads these partitions from these offsets from now on, and no others; what was fetched is dropped.
    /// The answer to [`GroupEvent::Assigned`], and later to any change of what is ready to be read.
    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError>;

    /// Gives all partitions up: the answer to [`GroupEvent::Revoked`].
    fn unassign(&mut self) -> Result<(), ClientError>;

    /// Below this offset everything was handed out, control records passed over.
    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError>;

    /// Commits offsets outside a transaction, and waits. Fails when the group has gone on without this member,
    /// with [`ErrorKind::Fenced`]; so does everything after it when nobody can tell whether it took place.
    fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<(), ClientError>;

    /// Leaves the group.
    fn close(&mut self);
}

/// What a member of a group is told.
#[derive(Debug)]
pub enum GroupEvent {
    /// A record of an assigned partition.
    Record(ConsumerRecord),
    /// The partitions that are this member's from now on, and the membership as of this assignment, the only
    /// one to be used for its transactions.
    Assigned(Vec<TopicPartition>, GroupMetadata),
    /// All partitions are to be given up. When they are lost, others may have them already.
    Revoked {
        /// Whether the group is known to have gone on without this member. It may have even so: then a commit
        /// with this member's metadata is refused.
        lost: bool,
    },
}

/// A membership as of one assignment: group, member and generation, as the door knows them.
#[derive(Clone)]
pub struct GroupMetadata(pub Arc<dyn Any + Send + Sync>);

impl std::fmt::Debug for GroupMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GroupMetadata")
    }
}

/// A producer with transactions. At most one is open at a time.
pub trait TransactionalProducer: Send {
    /// Fences earlier producers with the same id and ends what they left open. Before anything else.
    fn init_transactions(&mut self) -> Result<(), ClientError>;

    /// Opens a transaction.
    fn begin(&mut self) -> Result<(), ClientError>;

    /// Sends a record within the transaction. `slot` groups records whose last offset [`Self::flush`] tells.
    fn send(&mut self, record: ProducerRecord, slot: Option<usize>) -> Result<(), ClientError>;

    /// The same of a store's change, for a producer that copies what it sends anyway.
    fn send_change(&mut self, change: ChangelogRecord<'_>, slot: usize) -> Result<(), ClientError> {
        self.send(change.into(), Some(slot))
    }

    /// Waits until all records are delivered. The last offset of each slot, by its number.
    fn flush(&mut self) -> Result<Vec<(usize, i64)>, ClientError>;

    /// Puts the inputs' positions into the transaction.
    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, i64)],
        metadata: &GroupMetadata,
    ) -> Result<(), ClientError>;

    /// Commits.
    fn commit(&mut self) -> Result<(), ClientError>;

    /// Aborts.
    fn abort(&mut self) -> Result<(), ClientError>;
}

/// A reader outside any group: offsets, watermarks, and records of changelogs and global tables.
pub trait Reader: Send {
    /// The group's committed offsets, stable: fails with [`ErrorKind::Retriable`] as long as a transaction pends on one of them.
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError>;

    /// The partitions' true first and end offsets: the end counts open transactions too.
    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError>;

    /// The partitions' last stable offsets: where the first open transaction begins, else the end. Committed records
    /// are read no further.
    fn last_stable_offsets(&mut self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ClientError>;

    /// Reads these partitions from these offsets, committed records only.
    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError>;

    /// The next record; none when `wait` has passed without one.
    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerRecord>, ClientError>;

    /// Below this offset everything was handed out, control records passed over.
    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError>;
}

/// The ends of a partition's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that is there.
    pub low: i64,
    /// The offset that the next record will get.
    pub high: i64,
}

/// Called once a record's fate is known: with its offset, or why it was not written.
pub type OnDelivery = Box<dyn FnOnce(Result<i64, ClientError>) + Send>;

/// A producer without transactions, shared by many.
pub trait Writer: Send + Sync {
    /// Sends a record; `on_delivery` is called exactly once, on some other thread, or before this returns when
    /// the record cannot even be queued. After [`ErrorKind::Retriable`] the record may still have been written.
    fn send(&self, record: ProducerRecord, on_delivery: OnDelivery);
}

/// For topics and the cluster.
pub trait Admin: Send {
    /// The cluster's id.
    fn cluster_id(&mut self) -> Result<String, ClientError>;

    /// What is there of the topics; none where there is none.
    fn describe(&mut self, topics: &[Arc<str>]) -> Result<Vec<Option<TopicDescription>>, ClientError>;

    /// Creates topics. That one is there already is no error.
    fn create(&mut self, topics: &[TopicSpec], partitions: i32, replication: i32) -> Result<(), ClientError>;

    /// Deletes the records below these offsets.
    fn delete_records(&mut self, before: &[(TopicPartition, i64)]) -> Result<(), ClientError>;

    /// The members of a group and what each of them has: nothing as long as the group is being given out anew.
    fn members(&mut self, group: &str) -> Result<Vec<GroupMember>, ClientError>;
}

/// A member of a group, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupMember {
    /// What it calls itself: [`Membership::client_id`].
    pub client_id: String,
    /// The partitions that are its own.
    pub partitions: Vec<TopicPartition>,
}

/// A topic as the broker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// The number of its partitions.
    pub partitions: i32,
    /// Kafka's `cleanup.policy`.
    pub cleanup_policy: String,
    /// Kafka's `delete.retention.ms`: how long a tombstone stays.
    pub delete_retention: Duration,
    /// Kafka's `segment.bytes`: how large the log's files become. Only whole files are cleaned, and never the last one.
    pub segment_bytes: u64,
}

/// A call to Kafka failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not {attempted}: {reason}")]
pub struct ClientError {
    /// What is to be done about it.
    pub kind: ErrorKind,
    /// What was attempted, on what.
    pub attempted: String,
    /// Why it failed.
    pub reason: String,
}

/// What a failed call means for the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing was done; the same call may succeed later.
    Retriable,
    /// The transaction has to be aborted; the clients can go on.
    Abortable,
    /// A record was refused by client or broker (too large, without a key): the transaction has to be aborted, and
    /// the same record will fail again. Of a poll: a batch cannot be read. Its partition stands still, the others go on.
    Refused,
    /// Another producer with this id, or a later generation of the group, has taken over; or the outcome
    /// is not known. Producer and overlays have to be thrown away.
    Fenced,
    /// An input's offset is no longer in its log.
    OffsetOutOfRange,
    /// What the settings ask for cannot be had: trying again cannot help.
    Fatal,
}
