//! The way from a process to Kafka: takes its time, loses a request or an answer, is cut off.
//!
//! Each call is on its way there, takes place, and is on its way back: between any two of these, others have their
//! turns, and the process may crash or be paused.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use super::consumer::Consumer;
use super::process::ProcessState;
use super::producer::Producer;
use super::reader::PartitionReader;
use super::scheduler::Wait;
use super::{SimulatedKafka, writer::RecordWriter};
use crate::Timestamp;
use crate::client::{
    Admin, ClientError, ClientSupplier, ErrorKind, GroupConsumer, GroupEvent, GroupMember, GroupMetadata,
    Membership, OnDelivery, Reader, TopicDescription, TransactionalProducer, Watermarks, Writer,
};
use crate::record::{ConsumerRecord, ProducerRecord, TopicPartition};
use crate::topic::TopicSpec;

/// How long a producer waits for Kafka, as with the real one.
const PRODUCER_PATIENCE: Duration = Duration::from_secs(5);
/// How long a reader does.
const READER_PATIENCE: Duration = Duration::from_secs(2);
/// How long a writer does.
const WRITER_PATIENCE: Duration = Duration::from_secs(10);

/// A process's way to Kafka.
#[derive(Clone)]
pub(super) struct Network {
    process: Arc<ProcessState>,
    kafka: SimulatedKafka,
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    RequestLost,
    AnswerLost,
}

impl Network {
    pub(super) fn new(process: Arc<ProcessState>, kafka: SimulatedKafka) -> Self {
        Self { process, kafka }
    }

    fn travel(&self) {
        let weather = self.process.world.weather();
        let latency = self.process.world.scheduler.random(|random| {
            let is_slow = random.u32(..10_000) < weather.slow;
            let longest = if is_slow { weather.slow_latency } else { weather.latency };
            Duration::from_millis(random.u64(0..=millis(longest)))
        });
        self.process.world.scheduler.sleep(latency);
    }

    fn fate(&self) -> Fate {
        let weather = self.process.world.weather();
        let drawn = self.process.world.scheduler.random(|random| random.u32(..10_000));
        if self.process.is_cut_off() || drawn < weather.lost_requests {
            Fate::RequestLost
        } else if drawn < weather.lost_requests + weather.lost_answers {
            Fate::AnswerLost
        } else {
            Fate::Answered
        }
    }

    /// A call to Kafka, of which nobody knows more than `patience` later if it is not answered.
    fn call<T>(
        &self,
        what: &str,
        (patience, unanswered): (Duration, ErrorKind),
        effect: impl FnOnce() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let scheduler = &self.process.world.scheduler;
        let silence = || {
            scheduler.sleep(patience);
            scheduler.note(format_args!("{what}: no answer"));
            Err(ClientError {
                kind: unanswered,
                attempted: what.to_string(),
                reason: "Kafka does not answer".to_string(),
            })
        };
        if scheduler.has_crashed() {
            return silence();
        }
        let fate = self.fate();
        self.travel();
        if fate == Fate::RequestLost || self.process.is_cut_off() {
            return silence();
        }
        let result = effect();
        scheduler.kafka_has_changed();
        match &result {
            Ok(_) => scheduler.note(format_args!("{what}")),
            Err(error) => scheduler.note(format_args!("{what}: {}", error.reason)),
        }
        if fate == Fate::AnswerLost {
            return silence();
        }
        self.travel();
        result
    }

    /// Takes what is there, and else waits until something is, or until the time is up.
    fn await_kafka<T>(
        &self,
        wait: Duration,
        mut take: impl FnMut() -> Result<Option<T>, ClientError>,
        mut is_ready: impl FnMut() -> Box<dyn Fn(&Cluster) -> bool + Send>,
    ) -> Result<Option<T>, ClientError> {
        let scheduler = &self.process.world.scheduler;
        let deadline = scheduler.now() + wait;
        loop {
            if scheduler.has_crashed() {
                scheduler.sleep(Duration::ZERO);
                return Ok(None);
            }
            let found = take()?;
            if found.is_some() {
                // Now and then others have a turn between two records.
                if scheduler.random(|random| random.u32(..8)) == 0 {
                    scheduler.sleep(Duration::ZERO);
                }
                return Ok(found);
            }
            let left = deadline.since(scheduler.now());
            if left.is_zero() {
                // Who polls without waiting would otherwise never let anybody have a turn.
                scheduler.sleep(Duration::ZERO);
                return Ok(None);
            }
            scheduler.suspend(Wait::Kafka(is_ready()), Some(left));
        }
    }
}

impl ClientSupplier for Network {
    fn consumer(&self, membership: &Membership) -> Result<Box<dyn GroupConsumer>, ClientError> {
        let consumer = Consumer::new(self.kafka.cluster.clone(), self.kafka.process.clone(), membership);
        Ok(Box::new(DistantConsumer {
            network: self.clone(),
            consumer,
            group: membership.group.clone(),
            commit_is_open: false,
        }))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        let producer = Producer::new(self.kafka.cluster.clone(), transactional_id);
        Ok(Box::new(DistantProducer {
            network: self.clone(),
            producer: Some(producer),
            is_undelivered: false,
        }))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ClientError> {
        let reader = PartitionReader::new(self.kafka.cluster.clone(), group);
        Ok(Box::new(DistantReader { network: self.clone(), reader }))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        let writer = RecordWriter::new(self.kafka.cluster.clone());
        Ok(Arc::new(DistantWriter {
            network: self.clone(),
            writer: Arc::new(writer),
            last: Default::default(),
        }))
    }

    fn session_timeout(&self) -> Duration {
        self.kafka.session_timeout()
    }

    fn admin(&self) -> Result<Box<dyn Admin>, ClientError> {
        Ok(Box::new(DistantAdmin { network: self.clone(), admin: self.kafka.admin()? }))
    }
}

struct DistantConsumer {
    network: Network,
    consumer: Consumer,
    group: String,
    /// Nobody knows whether a commit took place, or will: this member is of no more use.
    commit_is_open: bool,
}

impl DistantConsumer {
    fn is_of_use(&self) -> Result<(), ClientError> {
        if !self.commit_is_open {
            return Ok(());
        }
        Err(ClientError {
            kind: ErrorKind::Fenced,
            attempted: format!("use a consumer of {}", self.group),
            reason: "the outcome of its last commit is not known".to_string(),
        })
    }
}

impl GroupConsumer for DistantConsumer {
    fn subscribe(&mut self, topics: &[Arc<str>]) -> Result<(), ClientError> {
        self.consumer.subscribe(topics)?;
        self.network.process.world.scheduler.kafka_has_changed();
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<GroupEvent>, ClientError> {
        self.is_of_use()?;
        let consumer = std::cell::RefCell::new(&mut self.consumer);
        let event = self.network.await_kafka(
            wait,
            || consumer.borrow_mut().poll(Duration::ZERO),
            || Box::new(consumer.borrow().readiness()),
        )?;
        let scheduler = &self.network.process.world.scheduler;
        match &event {
            Some(GroupEvent::Record(record)) => scheduler
                .note(format_args!("reads {}-{} at {}", record.topic, record.partition, record.offset)),
            Some(GroupEvent::Assigned(partitions, _)) => {
                scheduler.note(format_args!("{}: {} partitions assigned", self.group, partitions.len()));
            }
            Some(GroupEvent::Revoked { lost }) => {
                scheduler.note(format_args!("{}: revoked, lost: {lost}", self.group));
            }
            None => {}
        }
        Ok(event)
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.is_of_use()?;
        self.consumer.assign(positions)?;
        self.network.process.world.scheduler.kafka_has_changed();
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), ClientError> {
        self.is_of_use()?;
        self.consumer.unassign()?;
        self.network.process.world.scheduler.kafka_has_changed();
        Ok(())
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        self.is_of_use()?;
        self.consumer.position(partition)
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.is_of_use()?;
        let patience = (self.network.kafka.session_timeout(), ErrorKind::Fenced);
        let consumer = &mut self.consumer;
        let mut is_answered = false;
        let result = self.network.call("commits offsets", patience, || {
            is_answered = true;
            consumer.commit(offsets)
        });
        self.commit_is_open =
            !is_answered || matches!(&result, Err(e) if e.reason == "Kafka does not answer");
        result
    }

    fn close(&mut self) {
        if !self.network.process.world.scheduler.has_crashed() {
            self.network.process.world.scheduler.note(format_args!("{}: leaves", self.group));
            self.consumer.close();
            self.network.process.world.scheduler.kafka_has_changed();
        }
    }
}

struct DistantProducer {
    network: Network,
    /// None once its last request is on its way alone.
    producer: Option<Producer>,
    /// Records of the open transaction did not get to Kafka.
    is_undelivered: bool,
}

impl DistantProducer {
    fn producer(&mut self) -> Result<&mut Producer, ClientError> {
        self.producer.as_mut().ok_or_else(|| ClientError {
            kind: ErrorKind::Fenced,
            attempted: "use a producer".to_string(),
            reason: "the outcome of its last transaction is not known".to_string(),
        })
    }

    fn call<T>(
        &mut self,
        what: &str,
        unanswered: ErrorKind,
        effect: impl FnOnce(&mut Producer) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let network = self.network.clone();
        let producer = self.producer()?;
        network.call(what, (PRODUCER_PATIENCE, unanswered), || effect(producer))
    }

    /// Whether the end of this transaction arrives when nobody waits for it any more.
    fn is_late(&self) -> bool {
        let world = &self.network.process.world;
        let late_ends = world.weather().late_ends;
        world.scheduler.random(|random| random.u32(..10_000)) < late_ends
            && !self.network.process.is_cut_off()
    }
}

impl TransactionalProducer for DistantProducer {
    fn init_transactions(&mut self) -> Result<(), ClientError> {
        self.call("begins its transactions", ErrorKind::Retriable, Producer::init_transactions)
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        self.is_undelivered = false;
        self.producer()?.begin()
    }

    fn send(&mut self, record: ProducerRecord, slot: Option<usize>) -> Result<(), ClientError> {
        let network = self.network.clone();
        let scheduler = &network.process.world.scheduler;
        if scheduler.random(|random| random.u32(..16)) == 0 {
            scheduler.sleep(Duration::ZERO);
        }
        if scheduler.has_crashed() || network.process.is_cut_off() {
            self.is_undelivered = true;
            return Ok(());
        }
        scheduler.note(format_args!("writes to {}-{}", record.topic, record.partition));
        self.producer()?.send(record, slot)
    }

    fn flush(&mut self) -> Result<Vec<(usize, i64)>, ClientError> {
        if self.is_undelivered {
            self.network.process.world.scheduler.sleep(PRODUCER_PATIENCE);
            return Err(ClientError {
                kind: ErrorKind::Abortable,
                attempted: "flush the records".to_string(),
                reason: "Kafka does not answer".to_string(),
            });
        }
        self.call("flushes", ErrorKind::Abortable, Producer::flush)
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, i64)],
        metadata: &GroupMetadata,
    ) -> Result<(), ClientError> {
        self.call("sends offsets", ErrorKind::Abortable, |producer| producer.send_offsets(offsets, metadata))
    }

    fn commit(&mut self) -> Result<(), ClientError> {
        if self.is_late()
            && let Some(mut producer) = self.producer.take()
        {
            let network = self.network.clone();
            let world = &network.process.world;
            let delay = world.scheduler.random(|random| random.u64(..2 * millis(PRODUCER_PATIENCE)));
            world.scheduler.at(world.now() + Duration::from_millis(delay), {
                let network = network.clone();
                Box::new(move |_| {
                    let result = producer.commit();
                    let scheduler = &network.process.world.scheduler;
                    scheduler.note(format_args!("a late commit: {result:?}"));
                })
            });
            world.scheduler.sleep(PRODUCER_PATIENCE);
            return self.producer().map(drop);
        }
        let (process, kafka) = (self.network.process.clone(), self.network.kafka.clone());
        self.call("commits", ErrorKind::Fenced, |producer| {
            producer.commit().inspect(|()| process.is_committed(&kafka))
        })
    }

    fn abort(&mut self) -> Result<(), ClientError> {
        self.call("aborts", ErrorKind::Fenced, Producer::abort)
    }
}

struct DistantReader {
    network: Network,
    reader: PartitionReader,
}

impl Reader for DistantReader {
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
        let patience = (READER_PATIENCE, ErrorKind::Retriable);
        self.network.call("fetches committed offsets", patience, || self.reader.committed(partitions))
    }

    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
        let patience = (READER_PATIENCE, ErrorKind::Retriable);
        self.network.call("asks for ends", patience, || self.reader.watermarks(partitions))
    }

    fn last_stable_offsets(&mut self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
        let patience = (READER_PATIENCE, ErrorKind::Retriable);
        self.network.call("asks for stable ends", patience, || self.reader.last_stable_offsets(partitions))
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.reader.assign(positions)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        let reader = std::cell::RefCell::new(&mut self.reader);
        let process = &self.network.process;
        self.network.await_kafka(
            wait,
            || if process.is_cut_off() { Ok(None) } else { reader.borrow_mut().poll(Duration::ZERO) },
            || if process.is_cut_off() { Box::new(|_| false) } else { Box::new(reader.borrow().readiness()) },
        )
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        self.reader.position(partition)
    }
}

struct DistantWriter {
    network: Network,
    writer: Arc<RecordWriter>,
    /// When the last record arrives: none overtakes another.
    last: std::sync::Mutex<Timestamp>,
}

impl Writer for DistantWriter {
    fn send(&self, record: ProducerRecord, on_delivery: OnDelivery) {
        let world = &self.network.process.world;
        let fate = self.network.fate();
        let latency = world.scheduler.random(|random| random.u64(0..=millis(world.weather().latency)));
        let arrival = {
            let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *last = (*last).max(world.now() + Duration::from_millis(latency));
            *last
        };
        let (network, writer) = (self.network.clone(), self.writer.clone());
        let silence = |on_delivery: OnDelivery, place: String| {
            let error = ClientError {
                kind: ErrorKind::Retriable,
                attempted: format!("write to {place}"),
                reason: "Kafka does not answer".to_string(),
            };
            let later = world.now() + WRITER_PATIENCE;
            world.scheduler.at(later, Box::new(move |_| on_delivery(Err(error))));
        };
        let place = format!("{}-{}", record.topic, record.partition);
        let arrive = move |on_delivery: OnDelivery| {
            if !network.process.has_crashed() {
                let scheduler = &network.process.world.scheduler;
                scheduler.note(format_args!("a command to {}-{}", record.topic, record.partition));
                writer.send(record, on_delivery);
            }
        };
        match fate {
            Fate::RequestLost => silence(on_delivery, place),
            Fate::AnswerLost => {
                silence(on_delivery, place);
                world.scheduler.at(arrival, Box::new(move |_| arrive(Box::new(|_| ()))));
            }
            Fate::Answered => world.scheduler.at(arrival, Box::new(move |_| arrive(on_delivery))),
        }
    }
}

struct DistantAdmin {
    network: Network,
    admin: Box<dyn Admin>,
}

const ADMIN: (Duration, ErrorKind) = (PRODUCER_PATIENCE, ErrorKind::Retriable);

impl Admin for DistantAdmin {
    fn cluster_id(&mut self) -> Result<String, ClientError> {
        self.network.call("asks for the cluster's id", ADMIN, || self.admin.cluster_id())
    }

    fn describe(&mut self, topics: &[Arc<str>]) -> Result<Vec<Option<TopicDescription>>, ClientError> {
        self.network.call("describes topics", ADMIN, || self.admin.describe(topics))
    }

    fn create(&mut self, topics: &[TopicSpec], partitions: i32, replication: i32) -> Result<(), ClientError> {
        self.network.call("creates topics", ADMIN, || self.admin.create(topics, partitions, replication))
    }

    fn delete_records(&mut self, before: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.network.call("deletes records", ADMIN, || self.admin.delete_records(before))
    }

    fn members(&mut self, group: &str) -> Result<Vec<GroupMember>, ClientError> {
        self.network.call("asks for a group's members", ADMIN, || self.admin.members(group))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
