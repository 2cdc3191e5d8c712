//! Fetching records of assigned partitions, on the thread of whoever wants them.
//!
//! - Nothing is asked for as long as there are records to hand out, so that all that comes meanwhile comes at once.
//!   Only behind a large answer, a backlog, the next one is asked for at once: then broker and reader work side by side.
//! - One request is under way for each broker, on a connection of its own; it may stay under way between two polls.
//! - What passes by itself (a broker that is away, a leader that moves) is no error: it is tried again, with pauses.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use rustix::event::PollFd;

use super::leaders::{Backoff, Broker, Leader, Leaders, timed_out};
use super::link::{Link, UnderWay};
use super::records::{Aborted, Batches};
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
/// After this time a broker that does not answer is taken for lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was used so recently is not looked at before it is used again.
const RECENT: Duration = Duration::from_secs(5);
/// How long not to ask for a partition that a broker could not serve.
const PARTITION_PAUSE: Duration = Duration::from_millis(100);

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
    /// Nothing more is read of it: its error was told.
    is_stopped: bool,
    /// Whether it was told that the topic has no such partition.
    is_missing: bool,
    paused_until: Option<Instant>,
}

/// A broker that leads some of the partitions.
#[derive(Debug, Default)]
struct Source {
    link: Option<Link>,
    under_way: Option<(UnderWay, Instant)>,
    used: Option<Instant>,
    backoff: Backoff,
}

impl Fetch {
    /// From the brokers at `bootstrap`. Connects to nothing yet.
    pub(super) fn new(bootstrap: &str, client_id: StrBytes) -> Self {
        Self {
            leaders: Leaders::new(bootstrap, client_id.clone()),
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
                    partition.is_stopped = true;
                    let failure = partition.failure(ErrorKind::Fatal, malformed);
                    self.fetched.pop_front();
                    return Err(failure);
                }
            }
        }
        self.failures.pop_front().map_or(Ok(None), Err)
    }

    /// Does what can be done without waiting: takes what has come, asks for what is wanted.
    pub(super) fn advance(&mut self, now: Instant) {
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
        let sources = self.sources.values().filter_map(|source| match &source.under_way {
            Some((_, since)) => Some(*since + ANSWER_TIMEOUT),
            None => source.backoff.end(),
        });
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
        let request = self.request(broker, now);
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
            .with_max_wait_ms(MAX_WAIT.as_millis().try_into().unwrap_or(i32::MAX))
            .with_min_bytes(1)
            .with_max_bytes(MAX_BYTES)
            .with_isolation_level(READ_COMMITTED)
            .with_session_epoch(NO_SESSION)
            .with_topics(topics)
    }

    // ---- answers ----

    fn receive(&mut self, broker: Broker, now: Instant) {
        let Some(source) = self.sources.get_mut(&broker) else { return };
        let (Some(link), Some((under_way, since))) = (&mut source.link, source.under_way) else { return };
        match link.receive::<FetchRequest>(under_way) {
            Ok(None) if now < since + ANSWER_TIMEOUT => {}
            Ok(None) => self.lose(broker, &timed_out(), now),
            Err(error) => self.lose(broker, &error, now),
            Ok(Some(answer)) if answer.error_code != 0 => {
                let error = answer.error_code.err().map_or(String::new(), |error| error.to_string());
                self.lose(broker, &std::io::Error::other(error), now);
            }
            Ok(Some(answer)) => {
                source.under_way = None;
                source.backoff.succeed();
                if self.take(answer, now) >= BACKLOG {
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
            partition.is_stopped = true;
            let reason = format!("an answer holds no whole batch at offset {}", partition.next);
            self.failures.push_back(partition.failure(ErrorKind::Fatal, reason));
            return;
        }
        partition.next = end;
        partition.is_stopped = batches.has_failed();
        partition.position = batches.position();
        self.fetched.push_back((index, batches));
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
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::ApiKey;
    use kafka_protocol::messages::fetch_response::FetchableTopicResponse;

    use super::super::fake_broker::{Asked, FakeBroker};
    use super::super::records::tests::records;
    use super::*;

    const TOPIC: StrBytes = StrBytes::from_static_str("p.t");
    const PARTITIONS: i32 = 2;

    /// A reader of partition 0 from offset 0 on, whose broker has been asked.
    fn asked() -> (Fetch, FakeBroker, Asked) {
        let mut broker = FakeBroker::new();
        let mut fetch = Fetch::new(&broker.address(), "test".into());
        assign(&mut fetch, &[(0, 0)]);
        let metadata = broker.next(|| fetch.advance(Instant::now()));
        broker.answer_metadata(metadata, PARTITIONS);
        let asked = next(&mut fetch, &mut broker, &[(0, 0)]);
        (fetch, broker, asked)
    }

    fn assign(fetch: &mut Fetch, offsets: &[(i32, i64)]) {
        let place = |number| TopicPartition::new("t", number);
        fetch.assign(offsets.iter().map(|(number, offset)| (place(*number), TOPIC, *offset)));
    }

    /// The next request for records, which asks for these partitions from these offsets on.
    #[track_caller]
    fn next(fetch: &mut Fetch, broker: &mut FakeBroker, expected: &[(i32, i64)]) -> Asked {
        let asked = broker.next(|| fetch.advance(Instant::now()));
        let request: FetchRequest = asked.request();
        let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        let mut wanted: Vec<_> = partitions.map(|p| (p.partition, p.fetch_offset)).collect();
        wanted.sort_unstable();
        assert_eq!(wanted, expected);
        asked
    }

    fn answer(asked: Asked, partition: i32, code: i16, records: BytesMut) {
        let data = PartitionData::default()
            .with_partition_index(partition)
            .with_error_code(code)
            .with_records(Some(Bytes::from(records)));
        let topic =
            FetchableTopicResponse::default().with_topic(TopicName(TOPIC)).with_partitions(vec![data]);
        asked.answer::<FetchRequest>(&FetchResponse::default().with_responses(vec![topic]));
    }

    /// The offset of the next record.
    #[track_caller]
    fn read(fetch: &mut Fetch) -> Option<i64> {
        fetch.next().unwrap().map(|record| record.offset)
    }

    /// The next outcome that is something.
    #[track_caller]
    fn outcome(fetch: &mut Fetch) -> Result<i64, ClientError> {
        let start = Instant::now();
        loop {
            fetch.advance(Instant::now());
            if let Some(record) = fetch.next()? {
                return Ok(record.offset);
            }
            assert!(start.elapsed() < Duration::from_secs(60), "nothing comes");
        }
    }

    #[test]
    fn nothing_is_asked_for_while_there_are_records() {
        let (mut fetch, mut broker, asked) = asked();
        answer(asked, 0, 0, records(0..3));
        assert_eq!(outcome(&mut fetch), Ok(0));
        for offset in [1, 2] {
            fetch.advance(Instant::now());
            assert!(broker.look().is_none());
            assert_eq!(read(&mut fetch), Some(offset));
        }
        assert_eq!(read(&mut fetch), None);
        next(&mut fetch, &mut broker, &[(0, 3)]);
    }

    #[test]
    fn behind_a_backlog_the_next_records_are_asked_for_at_once() {
        let (mut fetch, mut broker, asked) = asked();
        let end = 10_000;
        assert!(records(0..end).len() > BACKLOG);
        answer(asked, 0, 0, records(0..end));
        let asked = next(&mut fetch, &mut broker, &[(0, end)]);
        assert_eq!(fetch.position(&TopicPartition::new("t", 0)), Some(0));
        answer(asked, 0, 0, records(end..end + 2));
        for offset in 0..end {
            assert_eq!(read(&mut fetch), Some(offset));
        }
        assert_eq!(fetch.position(&TopicPartition::new("t", 0)), Some(end));
        assert!(broker.look().is_none(), "one more would be too much");
        assert_eq!(outcome(&mut fetch), Ok(end));
        assert_eq!(outcome(&mut fetch), Ok(end + 1));
    }

    #[test]
    fn nothing_is_read_behind_what_cannot_be_read() {
        let (mut fetch, mut broker, asked) = asked();
        let mut damaged = records(1..10_000);
        damaged[100] ^= 1;
        answer(asked, 0, 0, [records(0..1), damaged].concat()[..].into());
        let asked = next(&mut fetch, &mut broker, &[(0, 10_000)]);
        assert_eq!(read(&mut fetch), Some(0));
        let failure = fetch.next().unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Fatal);
        assert!(failure.to_string().contains("t-0") && failure.to_string().contains("damaged"), "{failure}");
        answer(asked, 0, 0, records(10_000..10_001));
        // Until nothing is awaited any more.
        while fetch.due(Instant::now()).is_some() {
            fetch.advance(Instant::now());
        }
        assert_eq!(read(&mut fetch), None);
        assert!(broker.look().is_none());
    }

    #[test]
    fn a_new_assignment_takes_effect_at_once() {
        let (mut fetch, mut broker, asked) = asked();
        answer(asked, 0, 0, records(0..3));
        assert_eq!(outcome(&mut fetch), Ok(0));
        assign(&mut fetch, &[(0, 7), (1, 5)]);
        assert_eq!(read(&mut fetch), None);
        let before = next(&mut fetch, &mut broker, &[(0, 7), (1, 5)]);
        assign(&mut fetch, &[(1, 9)]);
        let after = next(&mut fetch, &mut broker, &[(1, 9)]);
        assert_eq!(broker.open_connections(), 1, "what was asked for before is of no more use");
        drop(before);
        answer(after, 1, 0, records(9..10));
        assert_eq!(outcome(&mut fetch), Ok(9));
        assign(&mut fetch, &[]);
        fetch.advance(Instant::now());
        assert!(broker.look().is_none(), "nothing is assigned");
    }

    #[test]
    fn a_leader_that_moves_is_no_error() {
        for code in [ResponseError::NotLeaderOrFollower, ResponseError::UnknownTopicOrPartition] {
            let (mut fetch, mut broker, asked) = asked();
            answer(asked, 0, code.code(), BytesMut::new());
            let asked = broker.next(|| {
                fetch.advance(Instant::now());
                assert_eq!(read(&mut fetch), None);
            });
            assert_eq!(asked.api, ApiKey::Metadata, "{code:?}");
            broker.answer_metadata(asked, PARTITIONS);
            next(&mut fetch, &mut broker, &[(0, 0)]);
        }
    }

    #[test]
    fn a_lost_connection_is_no_error() {
        let (mut fetch, mut broker, asked) = asked();
        asked.hang_up();
        let asked = broker.next(|| {
            fetch.advance(Instant::now());
            assert_eq!(read(&mut fetch), None);
        });
        broker.answer_metadata(asked, PARTITIONS);
        next(&mut fetch, &mut broker, &[(0, 0)]);
    }

    #[track_caller]
    fn check_refused(code: ResponseError, expected: ErrorKind) {
        let (mut fetch, mut broker, asked) = asked();
        answer(asked, 0, code.code(), BytesMut::new());
        let failure = outcome(&mut fetch).unwrap_err();
        assert_eq!(failure.kind, expected, "{code:?}");
        assert_eq!(failure.attempted, "read t-0 at offset 0");
        fetch.advance(Instant::now());
        assert!(broker.look().is_none(), "{code:?}: not at once");
    }

    #[test]
    fn what_does_not_pass_is_told() {
        check_refused(ResponseError::OffsetOutOfRange, ErrorKind::OffsetOutOfRange);
        check_refused(ResponseError::TopicAuthorizationFailed, ErrorKind::Fatal);
        check_refused(ResponseError::UnknownServerError, ErrorKind::Retriable);
        check_refused(ResponseError::CorruptMessage, ErrorKind::Retriable);
    }

    #[test]
    fn a_partition_that_is_not_there_is_told_once() {
        let mut broker = FakeBroker::new();
        let mut fetch = Fetch::new(&broker.address(), "test".into());
        assign(&mut fetch, &[(0, 0), (5, 0)]);
        let metadata = broker.next(|| fetch.advance(Instant::now()));
        broker.answer_metadata(metadata, PARTITIONS);
        let failure = outcome(&mut fetch).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Retriable);
        assert_eq!(failure.reason, "the topic has 2 partitions");
        assert_eq!(read(&mut fetch), None);
    }
}
