//! As much of Kafka as the mailer needs, in memory: logs, a consumer group, committed offsets.
//!
//! Every record is followed by a gap in the offsets, as by the marker of a transaction.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use service::topics;
use streams::{
    Admin, ClientError, ClientSupplier, ConsumerRecord, ErrorKind, GroupConsumer, GroupEvent, GroupMember,
    GroupMetadata, Membership, OnDelivery, ProducerRecord, Reader, Timestamp, TopicDescription,
    TopicPartition, TopicSpec, TransactionalProducer, Watermarks, Writer,
};

pub(crate) const PARTITIONS: i32 = 2;

#[derive(Clone, Default)]
pub(crate) struct FakeKafka(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
pub(crate) struct State {
    logs: BTreeMap<TopicPartition, Vec<ConsumerRecord>>,
    pub(crate) low: BTreeMap<TopicPartition, i64>,
    pub(crate) committed: BTreeMap<TopicPartition, i64>,
    pub(crate) members: BTreeMap<usize, Member>,
    joined: usize,
    /// The topics are not there yet.
    pub(crate) no_topics: bool,
    /// How the next commits, questions for committed offsets and writes fail.
    pub(crate) commits: VecDeque<ErrorKind>,
    pub(crate) reads: VecDeque<ErrorKind>,
    pub(crate) writes: VecDeque<ErrorKind>,
}

#[derive(Default)]
pub(crate) struct Member {
    pub(crate) owned: Vec<TopicPartition>,
    pub(crate) positions: BTreeMap<TopicPartition, i64>,
    events: VecDeque<GroupEvent>,
    revoking: bool,
}

impl Member {
    /// It knows that its partitions are revoked, and has not given them up yet.
    pub(crate) fn is_giving_up(&self) -> bool {
        self.revoking && self.events.is_empty()
    }
}

struct Client {
    kafka: FakeKafka,
    member: usize,
}

impl FakeKafka {
    /// Appends a record; its offset.
    pub(crate) fn produce(&self, partition: &TopicPartition, key: &str, value: impl Into<Bytes>) -> i64 {
        let (key, value) = (Some(Bytes::from(key.to_owned())), Some(value.into()));
        let (topic, partition) = (partition.topic.clone(), partition.partition);
        self.change(|state| {
            state.append(ProducerRecord { topic, partition, key, value, headers: Vec::new() })
        })
    }

    pub(crate) fn records(&self, topic: &str) -> Vec<ConsumerRecord> {
        let of_topic = |state: &mut State| {
            let logs = state.logs.iter().filter(|(partition, _)| &*partition.topic == topic);
            logs.flat_map(|(_, log)| log.clone()).collect()
        };
        self.change(of_topic)
    }

    pub(crate) fn committed(&self, partition: &TopicPartition) -> Option<i64> {
        self.change(|state| state.committed.get(partition).copied())
    }

    /// The group goes on without a member, who is told when it polls.
    pub(crate) fn expel(&self, member: usize) {
        self.change(|state| {
            let expelled = state.members.get_mut(&member).unwrap();
            expelled.owned.clear();
            expelled.revoking = true;
            expelled.events.push_back(GroupEvent::Revoked { lost: true });
            state.rebalance();
        });
    }

    /// Changes something, and wakes up whoever waits for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, mut done: impl FnMut(&State) -> bool) {
        let found = self.wait(Duration::from_secs(30), |state| done(state).then_some(()));
        assert!(found.is_some(), "waited too long");
    }

    fn wait<T>(&self, limit: Duration, mut find: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut state = self.0.0.lock().unwrap();
        loop {
            if let Some(found) = find(&mut state) {
                drop(state);
                self.0.1.notify_all();
                return Some(found);
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return None;
            }
            state = self.0.1.wait_timeout(state, rest).unwrap().0;
        }
    }
}

impl State {
    fn append(&mut self, record: ProducerRecord) -> i64 {
        let ProducerRecord { topic, partition, key, value, headers } = record;
        let log = self.logs.entry(TopicPartition::new(topic.clone(), partition)).or_default();
        let offset = 2 * i64::try_from(log.len()).unwrap();
        let timestamp = Timestamp::default();
        log.push(ConsumerRecord { topic, partition, offset, timestamp, key, value, headers });
        offset
    }

    /// Everything is revoked; once everybody has given it up, it is given out again.
    fn rebalance(&mut self) {
        for member in self.members.values_mut().filter(|member| !member.owned.is_empty() && !member.revoking)
        {
            member.revoking = true;
            member.events.push_back(GroupEvent::Revoked { lost: false });
        }
        self.give_out();
    }

    fn give_out(&mut self) {
        // Whoever was expelled joins again later, and nobody waits for it.
        if self.members.values().any(|member| member.revoking && !member.owned.is_empty()) {
            return;
        }
        let ready = self.members.values_mut().filter(|member| !member.revoking);
        let mut shares: Vec<(&mut Member, Vec<TopicPartition>)> =
            ready.map(|member| (member, Vec::new())).collect();
        let count = shares.len().max(1);
        for topic in &topics::TIERS {
            for partition in 0..PARTITIONS {
                let owner = usize::try_from(partition).unwrap() % count;
                if let Some((_, share)) = shares.get_mut(owner) {
                    share.push(TopicPartition::new(topic.name(), partition));
                }
            }
        }
        for (member, share) in shares {
            member.owned.clone_from(&share);
            member.events.push_back(GroupEvent::Assigned(
                share,
                GroupMetadata(Arc::new(()) as Arc<dyn Any + Send + Sync>),
            ));
        }
    }

    fn next_event(&mut self, member: usize) -> Option<GroupEvent> {
        let member = self.members.get_mut(&member).expect("a member polls");
        if let Some(event) = member.events.pop_front() {
            return Some(event);
        }
        let logs = &self.logs;
        member.positions.iter_mut().find_map(|(partition, position)| {
            let record = logs.get(partition)?.iter().find(|record| record.offset >= *position)?;
            *position = record.offset + 1;
            Some(GroupEvent::Record(record.clone()))
        })
    }
}

fn error(kind: ErrorKind, attempted: &str) -> ClientError {
    ClientError { kind, attempted: attempted.to_owned(), reason: "the test says so".to_owned() }
}

fn fail(errors: &mut VecDeque<ErrorKind>, attempted: &str) -> Result<(), ClientError> {
    errors.pop_front().map_or(Ok(()), |kind| Err(error(kind, attempted)))
}

impl ClientSupplier for FakeKafka {
    fn consumer(&self, membership: &Membership) -> Result<Box<dyn GroupConsumer>, ClientError> {
        assert_eq!(membership.group, email_service::MAILER_GROUP);
        let member = self.change(|state| {
            state.joined += 1;
            state.joined
        });
        Ok(Box::new(Client { kafka: self.clone(), member }))
    }

    fn producer(&self, _: &str) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        unreachable!("the mailer has no transactions")
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ClientError> {
        assert_eq!(group, email_service::MAILER_GROUP);
        Ok(Box::new(self.clone()))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        Ok(Arc::new(self.clone()))
    }

    fn admin(&self) -> Result<Box<dyn Admin>, ClientError> {
        Ok(Box::new(self.clone()))
    }
}

impl GroupConsumer for Client {
    fn subscribe(&mut self, topics: &[Arc<str>]) -> Result<(), ClientError> {
        assert_eq!(topics.len(), topics::TIERS.len());
        self.kafka.change(|state| {
            assert!(!state.no_topics, "subscribed to topics that are not there");
            state.members.insert(self.member, Member::default());
            state.rebalance();
        });
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<GroupEvent>, ClientError> {
        Ok(self.kafka.wait(wait, |state| state.next_event(self.member)))
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.kafka.change(|state| {
            let member = state.members.get_mut(&self.member).unwrap();
            member.positions = positions.iter().cloned().collect();
        });
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), ClientError> {
        self.kafka.change(|state| {
            let member = state.members.get_mut(&self.member).unwrap();
            let expelled = member.owned.is_empty();
            member.owned.clear();
            member.positions.clear();
            member.revoking = false;
            if expelled { state.rebalance() } else { state.give_out() }
        });
        Ok(())
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        Ok(self.kafka.change(|state| state.members[&self.member].positions.get(partition).copied()))
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.kafka.change(|state| {
            fail(&mut state.commits, "commit")?;
            let owned = &state.members[&self.member].owned;
            if !offsets.iter().all(|(partition, _)| owned.contains(partition)) {
                return Err(error(ErrorKind::Fenced, "commit"));
            }
            state.committed.extend(offsets.iter().cloned());
            Ok(())
        })
    }

    fn close(&mut self) {
        self.kafka.change(|state| {
            state.members.remove(&self.member);
            state.rebalance();
        });
    }
}

impl Reader for FakeKafka {
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
        self.change(|state| {
            fail(&mut state.reads, "read committed offsets")?;
            Ok(partitions.iter().map(|partition| state.committed.get(partition).copied()).collect())
        })
    }

    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
        self.change(|state| {
            let low = |partition| state.low.get(partition).copied().unwrap_or(0);
            let high =
                |partition| state.logs.get(partition).map_or(0, |log| 2 * i64::try_from(log.len()).unwrap());
            Ok(partitions.iter().map(|of| Watermarks { low: low(of), high: high(of) }).collect())
        })
    }

    fn last_stable_offsets(&mut self, _: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
        unreachable!("the mailer does not ask for them")
    }

    fn assign(&mut self, _: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        unreachable!("the mailer reads no other topics")
    }

    fn poll(&mut self, _: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        unreachable!("the mailer reads no other topics")
    }

    fn position(&mut self, _: &TopicPartition) -> Result<Option<i64>, ClientError> {
        unreachable!("the mailer reads no other topics")
    }
}

impl Writer for FakeKafka {
    fn send(&self, record: ProducerRecord, on_delivery: OnDelivery) {
        let result = self.change(|state| {
            fail(&mut state.writes, "write")?;
            Ok(state.append(record))
        });
        thread::spawn(move || on_delivery(result));
    }
}

impl Admin for FakeKafka {
    fn cluster_id(&mut self) -> Result<String, ClientError> {
        unreachable!("the mailer does not ask")
    }

    fn describe(&mut self, topics: &[Arc<str>]) -> Result<Vec<Option<TopicDescription>>, ClientError> {
        let description = TopicDescription {
            partitions: PARTITIONS,
            cleanup_policy: "delete".to_owned(),
            delete_retention: Duration::ZERO,
            segment_bytes: 1 << 30,
        };
        let there = self.change(|state| !state.no_topics);
        Ok(topics.iter().map(|_| there.then(|| description.clone())).collect())
    }

    fn create(&mut self, _: &[TopicSpec], _: i32, _: i32) -> Result<(), ClientError> {
        unreachable!("the mailer owns no topics")
    }

    fn delete_records(&mut self, _: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        unreachable!("the mailer owns no topics")
    }

    fn members(&mut self, _: &str) -> Result<Vec<GroupMember>, ClientError> {
        unreachable!("the mailer does not ask")
    }
}
