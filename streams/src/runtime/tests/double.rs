//! A Kafka and a disk in memory that fail as a test says, on real threads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use crate::client::{
    Admin, ClientError, ClientSupplier, ErrorKind, GroupConsumer, GroupEvent, GroupMember, GroupMetadata,
    Membership, Reader, TopicDescription, TransactionalProducer, Watermarks, Writer,
};
use crate::record::{ConsumerRecord, ProducerRecord, TopicPartition};
use crate::simulation::{SimulatedKafka, SimulationConfig};
use crate::state_directory::{InstanceState, StateDirectoryError, TransactionalIds};
use crate::store::{
    BackendError, Change, Checkpoint, MemoryStore, StoreBackend, StoreSupplier, Visit, WriteBufferManager,
};
use crate::topic::TopicSpec;

/// What is to go wrong: by the names of calls, the next ones first.
#[derive(Clone, Default)]
pub(super) struct Troubles(Arc<Mutex<BTreeMap<String, VecDeque<Trouble>>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A call to Kafka fails.
    Fails(ErrorKind),
    /// The disk fails, until it is mended.
    Broken,
    /// A bug.
    Panics,
}

impl Troubles {
    pub(super) fn add(&self, call: &str, troubles: &[Trouble]) {
        self.lock().entry(call.to_string()).or_default().extend(troubles);
    }

    /// No more of it.
    pub(super) fn mend(&self, call: &str) {
        self.lock().remove(call);
    }

    /// Whether all has gone wrong that was to.
    pub(super) fn are_over(&self) -> bool {
        self.lock().values().all(VecDeque::is_empty)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, VecDeque<Trouble>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, call: &str) -> Option<Trouble> {
        let mut troubles = self.lock();
        let queue = troubles.get_mut(call)?;
        if queue.front() == Some(&Trouble::Broken) { Some(Trouble::Broken) } else { queue.pop_front() }
    }

    fn kafka(&self, call: &str) -> Result<(), ClientError> {
        match self.next(call) {
            None | Some(Trouble::Broken) => Ok(()),
            Some(Trouble::Fails(kind)) => {
                Err(ClientError { kind, attempted: call.to_string(), reason: "so the test says".to_string() })
            }
            Some(Trouble::Panics) => panic!("{call} panics"),
        }
    }

    fn disk(&self, attempted: &'static str, call: &str) -> Result<(), BackendError> {
        match self.next(call) {
            None | Some(Trouble::Fails(_)) => Ok(()),
            Some(Trouble::Broken) => Err(BackendError { attempted, source: "too many open files".into() }),
            Some(Trouble::Panics) => panic!("{call} panics"),
        }
    }
}

/// Clients of a simulated Kafka, whose time passes with each poll of a member.
#[derive(Clone)]
pub(super) struct FailingKafka {
    pub(super) kafka: SimulatedKafka,
    pub(super) troubles: Troubles,
}

impl FailingKafka {
    pub(super) fn new() -> Self {
        Self { kafka: SimulatedKafka::new(SimulationConfig::default()), troubles: Troubles::default() }
    }
}

struct Failing<T: ?Sized> {
    client: Box<T>,
    double: FailingKafka,
}

impl FailingKafka {
    fn failing<T: ?Sized>(&self, client: Box<T>) -> Failing<T> {
        Failing { client, double: self.clone() }
    }
}

impl ClientSupplier for FailingKafka {
    fn consumer(&self, membership: &Membership) -> Result<Box<dyn GroupConsumer>, ClientError> {
        self.troubles.kafka("consumer")?;
        Ok(Box::new(self.failing(self.kafka.consumer(membership)?)))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        Ok(Box::new(self.failing(self.kafka.producer(transactional_id)?)))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ClientError> {
        Ok(Box::new(self.failing(self.kafka.reader(group)?)))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        self.kafka.writer()
    }

    fn admin(&self) -> Result<Box<dyn Admin>, ClientError> {
        Ok(Box::new(self.failing(self.kafka.admin()?)))
    }
}

impl GroupConsumer for Failing<dyn GroupConsumer> {
    fn subscribe(&mut self, topics: &[Arc<str>]) -> Result<(), ClientError> {
        self.client.subscribe(topics)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<GroupEvent>, ClientError> {
        self.double.troubles.kafka("poll")?;
        self.double.kafka.advance(Duration::from_millis(20));
        let event = self.client.poll(wait)?;
        if event.is_none() {
            thread::sleep(wait.min(Duration::from_millis(2)));
        }
        Ok(event)
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.client.assign(positions)
    }

    fn unassign(&mut self) -> Result<(), ClientError> {
        self.client.unassign()
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        self.client.position(partition)
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.client.commit(offsets)
    }

    fn close(&mut self) {
        self.client.close();
    }
}

impl TransactionalProducer for Failing<dyn TransactionalProducer> {
    fn init_transactions(&mut self) -> Result<(), ClientError> {
        self.client.init_transactions()
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        self.client.begin()
    }

    fn send(&mut self, record: ProducerRecord, slot: Option<usize>) -> Result<(), ClientError> {
        self.client.send(record, slot)
    }

    fn flush(&mut self) -> Result<Vec<(usize, i64)>, ClientError> {
        self.double.troubles.kafka("flush")?;
        self.client.flush()
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, i64)],
        metadata: &GroupMetadata,
    ) -> Result<(), ClientError> {
        self.client.send_offsets(offsets, metadata)
    }

    fn commit(&mut self) -> Result<(), ClientError> {
        self.client.commit()
    }

    fn abort(&mut self) -> Result<(), ClientError> {
        self.client.abort()
    }
}

impl Reader for Failing<dyn Reader> {
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
        self.client.committed(partitions)
    }

    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
        self.double.troubles.kafka("watermarks")?;
        self.client.watermarks(partitions)
    }

    fn last_stable_offsets(&mut self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
        self.client.last_stable_offsets(partitions)
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.client.assign(positions)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        self.double.troubles.kafka("read")?;
        let record = self.client.poll(wait)?;
        if record.is_none() {
            thread::sleep(wait.min(Duration::from_millis(2)));
        }
        Ok(record)
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        self.client.position(partition)
    }
}

impl Admin for Failing<dyn Admin> {
    fn cluster_id(&mut self) -> Result<String, ClientError> {
        self.client.cluster_id()
    }

    fn describe(&mut self, topics: &[Arc<str>]) -> Result<Vec<Option<TopicDescription>>, ClientError> {
        self.double.troubles.kafka("describe")?;
        self.client.describe(topics)
    }

    fn create(&mut self, topics: &[TopicSpec], partitions: i32, replication: i32) -> Result<(), ClientError> {
        self.client.create(topics, partitions, replication)
    }

    fn delete_records(&mut self, before: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.double.troubles.kafka("delete_records")?;
        self.client.delete_records(before)
    }

    fn members(&mut self, group: &str) -> Result<Vec<GroupMember>, ClientError> {
        self.double.troubles.kafka("members")?;
        self.client.members(group)
    }
}

/// What an instance keeps. A store's calls are named `open 0`, `write 0` and so on, by its partition.
#[derive(Default)]
pub(super) struct FailingDisk {
    stores: Mutex<BTreeMap<(String, i32), Arc<MemoryStore>>>,
    changelogs: Mutex<Option<BTreeSet<Arc<str>>>>,
    pub(super) troubles: Troubles,
}

impl StoreSupplier for FailingDisk {
    fn store(&self, _: &str, store: &str, partition: i32) -> Result<Arc<dyn StoreBackend>, BackendError> {
        self.troubles.disk("open a store", &format!("open {partition}"))?;
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let store = stores.entry((store.to_string(), partition)).or_default().clone();
        Ok(Arc::new(FailingStore { store, partition, troubles: self.troubles.clone() }))
    }
}

impl InstanceState for FailingDisk {
    fn write_buffers(&self) -> Arc<WriteBufferManager> {
        // Everything goes to the disk at once.
        Arc::new(WriteBufferManager::new(0))
    }

    fn bind_to_cluster(&self, _: &str) -> Result<(), StateDirectoryError> {
        Ok(())
    }

    fn transactional_ids(
        &self,
        application: &str,
        threads: usize,
    ) -> Result<TransactionalIds, StateDirectoryError> {
        Ok(TransactionalIds::next(application, "instance", threads, &mut BTreeMap::new()))
    }

    fn changelogs(&self, _: &str) -> Option<BTreeSet<Arc<str>>> {
        self.changelogs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_changelogs(&self, _: &str, changelogs: &BTreeSet<Arc<str>>) -> Result<(), StateDirectoryError> {
        *self.changelogs.lock().unwrap_or_else(PoisonError::into_inner) = Some(changelogs.clone());
        Ok(())
    }
}

struct FailingStore {
    store: Arc<MemoryStore>,
    partition: i32,
    troubles: Troubles,
}

impl StoreBackend for FailingStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.troubles.disk("read a key", &format!("get {}", self.partition))?;
        self.store.get(key)
    }

    fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        self.store.range(from, to, visit)
    }

    fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
        self.troubles.disk("write a batch", &format!("write {}", self.partition))?;
        self.store.apply(changes, checkpoint)
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError> {
        self.troubles.disk("read the checkpoint", &format!("checkpoint {}", self.partition))?;
        self.store.checkpoint()
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.store.clear()
    }
}
