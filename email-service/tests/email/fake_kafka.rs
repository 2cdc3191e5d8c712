//! As much of Kafka as the mailer needs, in memory: logs, a consumer group, committed offsets.
//!
//! Every record is followed by a gap in the offsets, as by the marker of a transaction.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use service::topics;
use streams::{
    Admin, ClientError, ClientSupplier, ConsumerRecord, ErrorKind, GroupConsumer, GroupEvent, GroupMember,
    GroupMetadata, Membership, ProducerRecord, Reader, Timestamp, TopicDescription, TopicPartition,
    TopicSpec, TransactionalProducer, Watermarks, Writer,
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
    generation: usize,
    /// The topics are not there yet.
    pub(crate) no_topics: bool,
    /// How the next commits, questions for committed offsets and transactions fail.
    pub(crate) commits: VecDeque<ErrorKind>,
    pub(crate) reads: VecDeque<ErrorKind>,
    pub(crate) transactions: VecDeque<Failure>,
    /// How many transactions were committed.
    pub(crate) transacted: usize,
}

/// How the commit of a transaction fails.
#[derive(Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    /// Whether it took place nevertheless.
    pub(crate) took_place: bool,
}

#[derive(Default)]
pub(crate) struct Member {
    pub(crate) owned: Vec<TopicPartition>,
    pub(crate) positions: BTreeMap<TopicPartition, i64>,
    events: VecDeque<GroupEvent>,
    revoking: bool,
    generation: usize,
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
    /// The outcome of its last commit is not known.
    useless: bool,
}

/// Reads a topic outside of the group.
struct Outsider {
    kafka: FakeKafka,
    positions: BTreeMap<TopicPartition, i64>,
}

struct Producer {
    kafka: FakeKafka,
    initialised: bool,
    open: Option<Transaction>,
}

#[derive(Default)]
struct Transaction {
    records: Vec<ProducerRecord>,
    offsets: Vec<(TopicPartition, i64)>,
    membership: Option<Generation>,
}

/// A membership as of one assignment.
#[derive(Clone, Copy, PartialEq)]
struct Generation {
    member: usize,
    generation: usize,
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

    /// The last value of each key of a topic, without tombstones.
    pub(crate) fn table(&self, topic: &str) -> BTreeMap<String, Bytes> {
        let mut table = BTreeMap::new();
        for record in self.records(topic) {
            let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
            match record.value {
                Some(value) => _ = table.insert(key, value),
                None => _ = table.remove(&key),
            }
        }
        table
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

    /// The last value of a key of a topic; none if that is a tombstone.
    pub(crate) fn last_value(&self, topic: &str, key: &str) -> Option<&Bytes> {
        let logs = self.logs.iter().filter(|(partition, _)| &*partition.topic == topic);
        let of_key = |record: &&ConsumerRecord| record.key.as_deref() == Some(key.as_bytes());
        logs.flat_map(|(_, log)| log).filter(of_key).last()?.value.as_ref()
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
        self.generation += 1;
        let generation = self.generation;
        let ready = self.members.iter_mut().filter(|(_, member)| !member.revoking);
        let mut shares: Vec<((usize, &mut Member), Vec<TopicPartition>)> =
            ready.map(|(name, member)| ((*name, member), Vec::new())).collect();
        let count = shares.len().max(1);
        for topic in &topics::TIERS {
            for partition in 0..PARTITIONS {
                let owner = usize::try_from(partition).unwrap() % count;
                if let Some((_, share)) = shares.get_mut(owner) {
                    share.push(TopicPartition::new(topic.name(), partition));
                }
            }
        }
        for ((name, member), share) in shares {
            member.owned.clone_from(&share);
            member.generation = generation;
            let membership = Arc::new(Generation { member: name, generation }) as Arc<dyn Any + Send + Sync>;
            member.events.push_back(GroupEvent::Assigned(share, GroupMetadata(membership)));
        }
    }

    fn next_event(&mut self, member: usize) -> Option<GroupEvent> {
        let member = self.members.get_mut(&member).expect("a member polls");
        if let Some(event) = member.events.pop_front() {
            return Some(event);
        }
        next_record(&self.logs, &mut member.positions).map(GroupEvent::Record)
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
        Ok(Box::new(Client { kafka: self.clone(), member, useless: false }))
    }

    fn producer(&self, _: &str) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        Ok(Box::new(Producer { kafka: self.clone(), initialised: false, open: None }))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ClientError> {
        assert_eq!(group, email_service::MAILER_GROUP);
        Ok(Box::new(Outsider { kafka: self.clone(), positions: BTreeMap::new() }))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        unreachable!("the mailer writes in transactions")
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
        if self.useless {
            return Err(error(ErrorKind::Fenced, "poll"));
        }
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
            if self.useless {
                return Err(error(ErrorKind::Fenced, "commit"));
            }
            let failed = fail(&mut state.commits, "commit");
            self.useless |= failed.as_ref().is_err_and(|error| error.kind == ErrorKind::Fenced);
            failed?;
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

impl Reader for Outsider {
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
        self.kafka.change(|state| {
            fail(&mut state.reads, "read committed offsets")?;
            Ok(partitions.iter().map(|partition| state.committed.get(partition).copied()).collect())
        })
    }

    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
        self.kafka.change(|state| {
            let low = |partition| state.low.get(partition).copied().unwrap_or(0);
            let high =
                |partition| state.logs.get(partition).map_or(0, |log| 2 * i64::try_from(log.len()).unwrap());
            Ok(partitions.iter().map(|of| Watermarks { low: low(of), high: high(of) }).collect())
        })
    }

    fn last_stable_offsets(&mut self, _: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
        unreachable!("the mailer does not ask for them")
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.positions = positions.iter().cloned().collect();
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        let Self { kafka, positions } = self;
        Ok(kafka.wait(wait, |state| next_record(&state.logs, positions)))
    }

    /// Behind the marker that comes after each record.
    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        Ok(self.positions.get(partition).map(|position| position + position % 2))
    }
}

/// The next record from one of these positions, which is moved behind it.
fn next_record(
    logs: &BTreeMap<TopicPartition, Vec<ConsumerRecord>>,
    positions: &mut BTreeMap<TopicPartition, i64>,
) -> Option<ConsumerRecord> {
    positions.iter_mut().find_map(|(partition, position)| {
        let record = logs.get(partition)?.iter().find(|record| record.offset >= *position)?;
        *position = record.offset + 1;
        Some(record.clone())
    })
}

impl TransactionalProducer for Producer {
    fn init_transactions(&mut self) -> Result<(), ClientError> {
        self.initialised = true;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        assert!(self.initialised && self.open.is_none(), "a transaction can begin");
        self.open = Some(Transaction::default());
        Ok(())
    }

    fn send(&mut self, record: ProducerRecord, _: Option<usize>) -> Result<(), ClientError> {
        self.open.as_mut().unwrap().records.push(record);
        Ok(())
    }

    fn flush(&mut self) -> Result<Vec<(usize, i64)>, ClientError> {
        Ok(Vec::new())
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, i64)],
        metadata: &GroupMetadata,
    ) -> Result<(), ClientError> {
        let open = self.open.as_mut().unwrap();
        open.offsets.extend(offsets.iter().cloned());
        open.membership = metadata.0.downcast_ref::<Generation>().copied();
        Ok(())
    }

    fn commit(&mut self) -> Result<(), ClientError> {
        let Transaction { records, offsets, membership } = self.open.take().unwrap();
        self.kafka.change(|state| {
            let failure = state.transactions.pop_front();
            if failure.is_none_or(|failure| failure.took_place) {
                let Generation { member, generation } = membership.unwrap();
                if !state
                    .members
                    .get(&member)
                    .is_some_and(|member| member.generation == generation && !member.owned.is_empty())
                {
                    return Err(error(ErrorKind::Fenced, "commit a transaction"));
                }
                records.into_iter().for_each(|record| _ = state.append(record));
                state.committed.extend(offsets);
                state.transacted += 1;
            }
            failure.map_or(Ok(()), |failure| Err(error(failure.kind, "commit a transaction")))
        })
    }

    fn abort(&mut self) -> Result<(), ClientError> {
        self.open = None;
        Ok(())
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
