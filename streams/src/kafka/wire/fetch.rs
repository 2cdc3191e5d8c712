//! Fetching records of assigned partitions, on the thread of whoever wants them.
//!
//! - Nothing is asked for as long as there are records to hand out, so that all that comes meanwhile comes at once.
//!   Only behind a large answer, a backlog, the next one is asked for at once: then broker and reader work side by side;
//!   and the broker answers when there is enough to be worth it, or after a moment. Each answer, and the transaction
//!   that it leads to, costs much the same however little is in it.
//! - One request is under way for each broker, on a connection of its own; it may stay under way between two polls.
//! - What passes by itself (a broker that is away, a leader that moves) is no error: it is tried again, with pauses.
//! - A partition stands still at a batch that cannot be read, and the others go on: nobody can tell what would be lost
//!   with it. It is fetched again after long pauses, and its error is told each time ([`ErrorKind::Refused`]).

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use rustix::event::PollFd;

use super::leaders::{Backoff, Broker, Leader, Leaders};
use super::link::{Link, UnderWay};
use super::records::{Aborted, Batches};
use super::servers::Servers;
use crate::client::{ClientError, ErrorKind};
use crate::kafka::error::kind_of_refusal;
use crate::record::{ConsumerRecord, TopicPartition};

/// Topics are named by their names up to this version.
const VERSION: i16 = 12;
/// A consumer, not a broker.
const NO_REPLICA: i32 = -1;
const NO_SESSION: i32 = -1;
const READ_COMMITTED: i8 = 1;
/// How long a broker waits for records.
const MAX_WAIT: Duration = Duration::from_millis(500);
/// Of all partitions in one answer; a batch that is larger comes alone.
const MAX_BYTES: i32 = 1 << 20;
const MAX_PARTITION_BYTES: i32 = 128 << 10;
/// An answer of this size leaves more behind.
const BACKLOG: usize = 64 << 10;
/// What is enough behind it, and how long to wait for that.
const MIN_BYTES_OF_BACKLOG: i32 = 64 << 10;
const MAX_WAIT_IN_BACKLOG: Duration = Duration::from_millis(20);
/// After this time a broker that does not answer is taken for lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was used so recently is not looked at before it is used again.
const RECENT: Duration = Duration::from_secs(5);
/// How long not to ask for a partition that a broker could not serve.
const PARTITION_PAUSE: Duration = Duration::from_millis(100);
/// How long not to ask again for a batch that cannot be read.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(10);

/// The assigned partitions, with what was fetched of them.
#[derive(Debug)]
pub(super) struct Fetch {
    client_id: StrBytes,
    leaders: Leaders,
    /// By name and number.
    partitions: Vec<Partition>,
    by_place: HashMap<TopicPartition, usize>,
    /// Where the next request begins, so that each partition comes first in its turn.
    first: usize,
    sources: HashMap<Broker, Source>,
    fetched: VecDeque<(usize, Batches)>,
    failures: VecDeque<ClientError>,
}

/// One partition as it is read.
#[derive(Debug)]
struct Partition {
    place: TopicPartition,
    /// The topic's name on the cluster.
    topic: StrBytes,
    /// Below it everything was handed out.
    position: i64,
    /// What is asked for next: what was fetched lies below.
    next: i64,
    /// Nothing more is read of it: its error was told, or is about to be.
    is_stopped: bool,
    /// Its error was told, and it is to be read again after a pause.
    is_unreadable: bool,
    /// Whether it was told that the topic has no such partition.
    is_missing: bool,
    paused_until: Option<Instant>,
}

/// A broker that leads some of the partitions.
#[derive(Debug, Default)]
struct Source {
    link: Option<Link>,
    /// With the time since when its answer is waited for.
    under_way: Option<(UnderWay, Instant)>,
    /// When it was last looked for an answer.
    looked: Option<Instant>,
    used: Option<Instant>,
    /// Whether its last answer was a large one.
    has_backlog: bool,
    backoff: Backoff,
}

impl Fetch {
    /// From the cluster of `servers`. Connects to nothing yet.
    pub(super) fn new(servers: &Servers, client_id: StrBytes) -> Self {
        Self {
            leaders: Leaders::new(servers, client_id.clone()),
            client_id,
            partitions: Vec::new(),
            by_place: HashMap::new(),
            first: 0,
            sources: HashMap::new(),
            fetched: VecDeque::new(),
            failures: VecDeque::new(),
        }
    }

    /// Reads these partitions, with their topics' names on the cluster, from these offsets, and no others. What was
    /// fetched is dropped.
    pub(super) fn assign(&mut self, positions: impl Iterator<Item = (TopicPartition, StrBytes, i64)>) {
        let partition = |(place, topic, offset)| Partition {
            place,
            topic,
            position: offset,
            next: offset,
            is_stopped: false,
            is_unreadable: false,
            is_missing: false,
            paused_until: None,
        };
        self.partitions = positions.map(partition).collect();
        self.partitions.sort_by(|a, b| a.key().cmp(&b.key()));
        let places = self.partitions.iter().enumerate();
        self.by_place = places.map(|(index, partition)| (partition.place.clone(), index)).collect();
        self.fetched.clear();
        self.failures.clear();
        // What is under way would come on this connection before anything else.
        self.sources.values_mut().filter(|source| source.under_way.is_some()).for_each(Source::hang_up);
    }

    /// Below this offset everything was handed out; none when the partition is not assigned.
    pub(super) fn position(&self, place: &TopicPartition) -> Option<i64> {
        self.by_place.get(place).map(|index| self.partitions[*index].position)
    }

    /// The next record of what was fetched, or what went wrong.
    pub(super) fn next(&mut self) -> Result<Option<ConsumerRecord>, ClientError> {
        while let Some((index, batches)) = self.fetched.front_mut() {
            let partition = &mut self.partitions[*index];
            let next = batches.next();
            partition.position = batches.position();
            match next {
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => drop(self.fetched.pop_front()),
                Err(malformed) => {
                    let index = *index;
                    return Err(self.unreadable(index, malformed));
                }
            }
        }
        self.failures.pop_front().map_or(Ok(None), Err)
    }

    /// A partition holds what cannot be read at its position: what was fetched behind it must not be handed out.
    fn unreadable(&mut self, index: usize, reason: impl ToString) -> ClientError {
        self.fetched.retain(|(of, _)| *of != index);
        let partition = &mut self.partitions[index];
        (partition.is_stopped, partition.is_unreadable) = (true, true);
        partition.next = partition.position;
        let failure = partition.failure(ErrorKind::Refused, reason);
        self.sources.values_mut().filter(|source| source.under_way.is_some()).for_each(Source::hang_up);
        failure
    }

    /// Does what can be done without waiting: takes what has come, asks for what is wanted.
    pub(super) fn advance(&mut self, now: Instant) {
        for partition in &mut self.partitions {
            if std::mem::take(&mut partition.is_unreadable) {
                partition.is_stopped = false;
                partition.paused_until = Some(now + UNREADABLE_PAUSE);
            }
        }
        if self.leaders.look(now) {
            self.look_for_missing();
        }
        let brokers: Vec<Broker> = self.sources.keys().copied().collect();
        for broker in brokers {
            self.receive(broker, now);
        }
        if self.fetched.is_empty() {
            self.ask(now);
        }
    }

    /// What to wait for, when nothing is there to hand out.
    pub(super) fn readiness(&self) -> impl Iterator<Item = PollFd<'_>> {
        let under_way = self.sources.values().filter(|source| source.under_way.is_some());
        let links = under_way.filter_map(|source| source.link.as_ref());
        links.map(Link::readiness).chain(self.leaders.readiness())
    }

    /// When there is something to do even if nothing comes.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let sources = self.sources.values().flat_map(|source| match &source.under_way {
            Some((_, since)) => [Some(*since + ANSWER_TIMEOUT), source.link.as_ref().and_then(Link::due)],
            None => [source.backoff.end(), None],
        });
        let sources = sources.flatten();
        let reading = self.partitions.iter().filter(|partition| !partition.is_stopped);
        let paused = reading.filter_map(|partition| partition.paused_until);
        // What is over by now has been done, or waits for something else of these.
        sources.chain(paused).chain(self.leaders.due()).filter(|due| *due > now).min()
    }

    // ---- asking ----

    fn ask(&mut self, now: Instant) {
        let mut wanted: Vec<Broker> = Vec::new();
        let mut leaderless = false;
        for partition in self.partitions.iter_mut().filter(|partition| partition.is_wanted(now)) {
            match self.leaders.of(&partition.topic, partition.place.partition) {
                Leader::Broker(broker) => {
                    if !wanted.contains(&broker) {
                        wanted.push(broker);
                    }
                }
                Leader::Unknown => leaderless = true,
                Leader::NoSuchPartition(_) => {
                    // It may come.
                    partition.paused_until = Some(now + Duration::from_secs(1));
                    self.leaders.forget(&partition.topic);
                    leaderless = true;
                }
                Leader::Refused(error) => {
                    partition.is_stopped = true;
                    self.failures.push_back(partition.refused(error));
                    // Whoever reads it anew asks anew.
                    self.leaders.forget(&partition.topic);
                }
            }
        }
        if leaderless {
            let mut topics: Vec<StrBytes> =
                self.partitions.iter().map(|partition| partition.topic.clone()).collect();
            topics.dedup();
            self.leaders.ask(topics.into_iter(), now);
        }
        for broker in wanted {
            self.ask_broker(broker, now);
        }
    }

    fn ask_broker(&mut self, broker: Broker, now: Instant) {
        let source = self.sources.entry(broker).or_default();
        if source.under_way.is_some() || !source.backoff.is_over(now) {
            return;
        }
        let is_recent = source.used.is_some_and(|used| now < used + RECENT);
        let opened = match source.link.take().filter(|link| is_recent || link.is_open()) {
            Some(link) => Ok(link),
            None => match self.leaders.address(broker) {
                Some(address) => Link::open(address, &self.client_id),
                None => Err(std::io::ErrorKind::NotFound.into()),
            },
        };
        let (min_bytes, max_wait) =
            if source.has_backlog { (MIN_BYTES_OF_BACKLOG, MAX_WAIT_IN_BACKLOG) } else { (1, MAX_WAIT) };
        let request = self
            .request(broker, now)
            .with_min_bytes(min_bytes)
            .with_max_wait_ms(max_wait.as_millis().try_into().unwrap_or(i32::MAX));
        let sent =
            opened.and_then(|mut link| link.send(&request, VERSION).map(|under_way| (link, under_way)));
        match sent {
            Ok((link, under_way)) => {
                let source = self.sources.entry(broker).or_default();
                source.link = Some(link);
                source.under_way = Some((under_way, now));
                source.used = Some(now);
            }
            Err(error) => self.lose(broker, &error, now),
        }
    }

    fn request(&mut self, broker: Broker, now: Instant) -> FetchRequest {
        self.first = (self.first + 1) % self.partitions.len().max(1);
        let (later, earlier) = self.partitions.split_at(self.first);
        let mut topics: Vec<FetchTopic> = Vec::new();
        for partition in earlier.iter().chain(later).filter(|partition| partition.is_wanted(now)) {
            if self.leaders.of(&partition.topic, partition.place.partition) != Leader::Broker(broker) {
                continue;
            }
            let wanted = FetchPartition::default()
                .with_partition(partition.place.partition)
                .with_fetch_offset(partition.next)
                .with_partition_max_bytes(MAX_PARTITION_BYTES);
            match topics.last_mut().filter(|last| *last.topic == partition.topic) {
                Some(topic) => topic.partitions.push(wanted),
                None => topics.push(
                    FetchTopic::default()
                        .with_topic(TopicName(partition.topic.clone()))
                        .with_partitions(vec![wanted]),
                ),
            }
        }
        FetchRequest::default()
            .with_replica_id(NO_REPLICA.into())
            .with_max_bytes(MAX_BYTES)
            .with_isolation_level(READ_COMMITTED)
            .with_session_epoch(NO_SESSION)
            .with_topics(topics)
    }

    // ---- answers ----

    fn receive(&mut self, broker: Broker, now: Instant) {
        let Some(source) = self.sources.get_mut(&broker) else { return };
        let (Some(link), Some((under_way, since))) = (&mut source.link, &mut source.under_way) else {
            return;
        };
        // Who was busy with records has not waited: a large answer goes on only when it is read.
        if source.looked.replace(now).is_none_or(|looked| now > looked + ANSWER_TIMEOUT / 2) {
            *since = now;
        }
        match link.receive::<FetchRequest>(*under_way) {
            Ok(None) if now < *since + ANSWER_TIMEOUT => {}
            Ok(None) => self.lose(broker, &std::io::ErrorKind::TimedOut.into(), now),
            Err(error) => self.lose(broker, &error, now),
            Ok(Some(answer)) if answer.error_code != 0 => {
                let error = answer.error_code.err().map_or(String::new(), |error| error.to_string());
                self.lose(broker, &std::io::Error::other(error), now);
            }
            Ok(Some(answer)) => {
                source.under_way = None;
                source.backoff.succeed();
                let has_backlog = self.take(answer, now) >= BACKLOG;
                self.sources.entry(broker).or_default().has_backlog = has_backlog;
                if has_backlog {
                    self.ask_broker(broker, now);
                }
            }
        }
    }

    /// Takes an answer. How large it was.
    fn take(&mut self, answer: FetchResponse, now: Instant) -> usize {
        let mut size = 0;
        for topic in answer.responses {
            for answered in topic.partitions {
                let key = (&**topic.topic, answered.partition_index);
                let found = self.partitions.binary_search_by(|partition| partition.key().cmp(&key));
                let Ok(index) = found else { continue };
                size += answered.records.as_ref().map_or(0, |records| records.len());
                self.take_partition(index, answered, now);
            }
        }
        size
    }

    fn take_partition(&mut self, index: usize, answered: PartitionData, now: Instant) {
        if self.partitions[index].is_stopped {
            // Asked for before its end was known; nothing may be left out.
            return;
        }
        if let Some(error) = answered.error_code.err() {
            return self.refused(index, error, now);
        }
        let Some(records) = answered.records.filter(|records| !records.is_empty()) else { return };
        let aborted = answered.aborted_transactions.unwrap_or_default();
        let aborted = aborted.iter().map(|a| Aborted { producer: a.producer_id.0, first: a.first_offset });
        let partition = &mut self.partitions[index];
        let batches = Batches::new(partition.place.clone(), partition.next, records, aborted.collect());
        let end = batches.end();
        if end <= partition.next && !batches.has_failed() {
            let reason = format!("an answer holds no whole batch at offset {}", partition.next);
            let failure = self.unreadable(index, reason);
            self.failures.push_back(failure);
            return;
        }
        partition.next = end;
        partition.is_stopped = batches.has_failed();
        partition.position = batches.position();
        // Without anything to hand out it would only keep the next request back.
        if !batches.is_over() {
            self.fetched.push_back((index, batches));
        }
    }

    fn refused(&mut self, index: usize, error: ResponseError, now: Instant) {
        let partition = &mut self.partitions[index];
        match error {
            error if passes(error) => {
                tracing::debug!(partition = %partition.place, %error, "looking for its leader");
                self.leaders.forget(&partition.topic);
                partition.paused_until = Some(now + PARTITION_PAUSE);
            }
            error => {
                partition.is_stopped =
                    matches!(kind_of_refusal(error), ErrorKind::OffsetOutOfRange | ErrorKind::Fatal);
                partition.paused_until = Some(now + Duration::from_secs(1));
                self.failures.push_back(partition.refused(error));
            }
        }
    }

    /// The connection to a broker is lost: somebody else may lead its partitions soon.
    fn lose(&mut self, broker: Broker, error: &std::io::Error, now: Instant) {
        tracing::debug!(broker, %error, "fetching");
        let source = self.sources.entry(broker).or_default();
        source.hang_up();
        source.backoff.fail(now);
        self.leaders.forget_broker(broker);
    }

    /// Says once of a partition that its topic does not have it.
    fn look_for_missing(&mut self) {
        for partition in &mut self.partitions {
            let leader = self.leaders.of(&partition.topic, partition.place.partition);
            if let Leader::NoSuchPartition(count) = leader {
                if !std::mem::replace(&mut partition.is_missing, true) {
                    let reason = format!("the topic has {count} partitions");
                    self.failures.push_back(partition.failure(ErrorKind::Retriable, reason));
                }
            } else {
                partition.is_missing = false;
            }
        }
    }
}

impl Partition {
    fn key(&self) -> (&str, i32) {
        (&self.topic, self.place.partition)
    }

    fn is_wanted(&self, now: Instant) -> bool {
        !self.is_stopped && self.paused_until.is_none_or(|end| end <= now)
    }

    fn refused(&self, error: ResponseError) -> ClientError {
        self.failure(kind_of_refusal(error), error)
    }

    fn failure(&self, kind: ErrorKind, reason: impl ToString) -> ClientError {
        let attempted = format!("read {} at offset {}", self.place, self.position);
        ClientError { kind, attempted, reason: reason.to_string() }
    }
}

impl Source {
    fn hang_up(&mut self) {
        self.link = None;
        self.under_way = None;
    }
}

/// Whether the partition can be read again once its leader is known.
fn passes(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::NotLeaderOrFollower
            | ResponseError::UnknownTopicOrPartition
            | ResponseError::UnknownTopicId
            | ResponseError::InconsistentTopicId
            | ResponseError::LeaderNotAvailable
            | ResponseError::ReplicaNotAvailable
            | ResponseError::BrokerNotAvailable
            | ResponseError::FencedLeaderEpoch
            | ResponseError::UnknownLeaderEpoch
            | ResponseError::OffsetNotAvailable
            | ResponseError::KafkaStorageError
            | ResponseError::RequestTimedOut
            | ResponseError::NetworkException
            | ResponseError::ThrottlingQuotaExceeded
    )
}

#[cfg(test)]
mod tests;
