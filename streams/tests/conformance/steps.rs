//! What the cases have in common.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use streams::{
    Cleanup, ClientError, ConsumerRecord, GroupConsumer, GroupEvent, GroupMetadata, Membership,
    ProducerRecord, Reader, TopicPartition, TopicSpec, TransactionalProducer, Watermarks,
};

use crate::world::{WAIT, World, until};

pub(crate) fn place(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub(crate) fn record(place: &TopicPartition, key: &str, value: &str) -> ProducerRecord {
    ProducerRecord {
        topic: place.topic.clone(),
        partition: place.partition,
        key: Some(Bytes::from(key.to_string())),
        value: Some(Bytes::from(value.to_string())),
        headers: Vec::new(),
    }
}

pub(crate) fn tombstone(place: &TopicPartition, key: &str) -> ProducerRecord {
    ProducerRecord { value: None, ..record(place, key, "") }
}

pub(crate) fn create(world: &dyn World, topic: &str, partitions: i32, cleanup: Cleanup) {
    let spec = TopicSpec { name: topic.into(), cleanup };
    world.clients().admin().unwrap().create(&[spec], partitions, 1).unwrap();
}

/// The topic `in` with one partition.
pub(crate) fn create_in(world: &dyn World) -> TopicPartition {
    create(world, "in", 1, Cleanup::Delete);
    place("in", 0)
}

pub(crate) fn producer(world: &dyn World, id: &str) -> Box<dyn TransactionalProducer> {
    let mut producer = world.clients().producer(id).unwrap();
    producer.init_transactions().unwrap();
    producer
}

/// Opens a transaction, and has this written in it.
pub(crate) fn begun(producer: &mut dyn TransactionalProducer, place: &TopicPartition, value: &str) {
    producer.begin().unwrap();
    producer.send(record(place, "k", value), None).unwrap();
    producer.flush().unwrap();
}

/// Writes without a transaction: the offset, or why there is none.
#[track_caller]
pub(crate) fn written(world: &dyn World, record: ProducerRecord) -> Result<i64, ClientError> {
    let (tell, told) = mpsc::channel();
    let writer = world.clients().writer().unwrap();
    writer.send(record, Box::new(move |delivered| tell.send(delivered).unwrap()));
    told.recv_timeout(Duration::from_secs(60)).unwrap()
}

#[track_caller]
pub(crate) fn write(world: &dyn World, place: &TopicPartition, values: &[&str]) {
    for value in values {
        written(world, record(place, "k", value)).unwrap();
    }
}

pub(crate) fn reader(world: &dyn World) -> Box<dyn Reader> {
    world.clients().reader("app").unwrap()
}

pub(crate) fn reader_at(world: &dyn World, place: &TopicPartition, offset: i64) -> Box<dyn Reader> {
    let mut reader = reader(world);
    reader.assign(&[(place.clone(), offset)]).unwrap();
    reader
}

pub(crate) fn ends(world: &dyn World, place: &TopicPartition) -> Watermarks {
    reader(world).watermarks(std::slice::from_ref(place)).unwrap()[0]
}

/// Waits until a partition reaches this far: a transaction that is answered has ended, but the broker writes its marker
/// when it comes to it, and the next transaction's records may stand before that.
#[track_caller]
pub(crate) fn marked(world: &dyn World, place: &TopicPartition, high: i64) {
    until(world, "the marker", || (ends(world, place).high == high).then_some(()));
}

/// The next `count` records of the reader.
#[track_caller]
pub(crate) fn read(world: &dyn World, reader: &mut dyn Reader, count: usize) -> Vec<ConsumerRecord> {
    (0..count).map(|_| until(world, "a record", || reader.poll(WAIT).unwrap())).collect()
}

/// The values of the next `count` records of the reader.
#[track_caller]
pub(crate) fn values(world: &dyn World, reader: &mut dyn Reader, count: usize) -> Vec<String> {
    read(world, reader, count).iter().map(value).collect()
}

pub(crate) fn value(record: &ConsumerRecord) -> String {
    String::from_utf8(record.value.clone().unwrap_or_default().to_vec()).unwrap()
}

/// A member of the group `app`.
pub(crate) fn member(world: &dyn World, topics: &[&str]) -> Box<dyn GroupConsumer> {
    member_named(world, "localhost:1", topics)
}

/// A member of the group `app` that calls itself something.
pub(crate) fn member_named(world: &dyn World, client_id: &str, topics: &[&str]) -> Box<dyn GroupConsumer> {
    let membership = Membership { group: "app".to_string(), client_id: client_id.to_string() };
    let mut consumer = world.clients().consumer(&membership).unwrap();
    let topics: Vec<Arc<str>> = topics.iter().map(|topic| Arc::from(*topic)).collect();
    consumer.subscribe(&topics).unwrap();
    consumer
}

/// The member's next event.
#[track_caller]
pub(crate) fn event(world: &dyn World, member: &mut dyn GroupConsumer) -> GroupEvent {
    until(world, "an event", || member.poll(WAIT).unwrap())
}

/// Polls until partitions are assigned, giving up those that are revoked.
#[track_caller]
pub(crate) fn assignment(
    world: &dyn World,
    member: &mut dyn GroupConsumer,
) -> (Vec<TopicPartition>, GroupMetadata) {
    until(world, "an assignment", || match member.poll(WAIT).unwrap() {
        Some(GroupEvent::Assigned(partitions, metadata)) => Some((partitions, metadata)),
        Some(GroupEvent::Revoked { .. }) => {
            member.unassign().unwrap();
            None
        }
        _ => None,
    })
}

/// Joins, and reads all partitions from their beginning.
#[track_caller]
pub(crate) fn assigned_from_beginning(world: &dyn World, member: &mut dyn GroupConsumer) -> GroupMetadata {
    let (partitions, metadata) = assignment(world, member);
    let positions: Vec<_> = partitions.into_iter().map(|partition| (partition, 0)).collect();
    member.assign(&positions).unwrap();
    metadata
}

/// What a member has: it answers each event as a worker does.
#[derive(Default)]
pub(crate) struct Owned {
    pub(crate) partitions: Vec<TopicPartition>,
    pub(crate) metadata: Option<GroupMetadata>,
}

impl Owned {
    pub(crate) fn serve(&mut self, member: &mut dyn GroupConsumer) {
        match member.poll(WAIT).unwrap() {
            Some(GroupEvent::Assigned(partitions, metadata)) => {
                assert_eq!(self.partitions, &[], "everything was revoked before");
                member.assign(&[]).unwrap();
                *self = Self { partitions, metadata: Some(metadata) };
            }
            Some(GroupEvent::Revoked { lost }) => {
                assert!(!lost, "the members do nothing wrong");
                member.unassign().unwrap();
                *self = Self::default();
            }
            Some(GroupEvent::Record(_)) | None => {}
        }
    }
}
