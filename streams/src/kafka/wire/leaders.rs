//! Which broker leads a partition, asked for without waiting.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use rustix::event::PollFd;

use super::link::{Link, UnderWay};
use super::servers::Servers;

/// A broker, by its number.
pub(super) type Broker = i32;

/// How long a broker may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of the leaders.
#[derive(Debug)]
pub(super) struct Leaders {
    client_id: StrBytes,
    servers: Servers,
    /// `host:port` of each broker.
    brokers: HashMap<Broker, String>,
    leaders: HashMap<StrBytes, Topic>,
    question: Option<Question>,
    backoff: Backoff,
}

#[derive(Debug)]
enum Topic {
    /// By their numbers; none for a partition without a leader.
    Partitions(Vec<Option<Broker>>),
    Refused(ResponseError),
}

#[derive(Debug)]
struct Question {
    server: String,
    link: Link,
    under_way: UnderWay,
    deadline: Instant,
}

/// Who leads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    Broker(Broker),
    /// It has to be asked for.
    Unknown,
    /// The topic has only so many partitions.
    NoSuchPartition(usize),
    /// The topic may not be read.
    Refused(ResponseError),
}

impl Leaders {
    /// Of the cluster of `servers`. Connects to nothing yet.
    pub(super) fn new(servers: &Servers, client_id: StrBytes) -> Self {
        Self {
            client_id,
            servers: servers.clone(),
            brokers: HashMap::new(),
            leaders: HashMap::new(),
            question: None,
            backoff: Backoff::default(),
        }
    }

    pub(super) fn of(&self, topic: &StrBytes, partition: i32) -> Leader {
        let partitions = match self.leaders.get(topic) {
            None => return Leader::Unknown,
            Some(Topic::Refused(error)) => return Leader::Refused(*error),
            Some(Topic::Partitions(partitions)) => partitions,
        };
        match usize::try_from(partition).ok().and_then(|number| partitions.get(number)) {
            None => Leader::NoSuchPartition(partitions.len()),
            Some(None) => Leader::Unknown,
            Some(Some(broker)) => Leader::Broker(*broker),
        }
    }

    /// Where a broker is.
    pub(super) fn address(&self, broker: Broker) -> Option<&str> {
        self.brokers.get(&broker).map(String::as_str)
    }

    /// Forgets the leaders of a topic: one of them is another by now.
    pub(super) fn forget(&mut self, topic: &StrBytes) {
        self.leaders.remove(topic);
    }

    /// Forgets what a broker leads.
    pub(super) fn forget_broker(&mut self, broker: Broker) {
        for topic in self.leaders.values_mut() {
            if let Topic::Partitions(partitions) = topic {
                for leader in partitions.iter_mut().filter(|leader| **leader == Some(broker)) {
                    *leader = None;
                }
            }
        }
    }

    /// Asks for the leaders of these topics, unless a question is under way or the last one was in vain just now.
    pub(super) fn ask(&mut self, topics: impl Iterator<Item = StrBytes>, now: Instant) {
        if self.question.is_some() || !self.backoff.is_over(now) {
            return;
        }
        let named = |topic| MetadataRequestTopic::default().with_name(Some(TopicName(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(topics.map(named).collect()))
            .with_allow_auto_topic_creation(false);
        let server = self.next_server();
        let opened = Link::open(&server, &self.client_id)
            .and_then(|mut link| link.send(&request, 12).map(|under_way| (link, under_way)));
        // Until the answer shows that it was not in vain.
        self.backoff.fail(now);
        match opened {
            Ok((link, under_way)) => {
                let deadline = now + ANSWER_TIMEOUT;
                self.question = Some(Question { server, link, under_way, deadline });
            }
            Err(error) => {
                tracing::debug!(server, %error, "asking for leaders");
                self.servers.was_silent(&server, now);
            }
        }
    }

    /// Whose turn it is to be asked what all brokers know.
    pub(super) fn next_server(&self) -> String {
        let known = self.brokers.values().map(String::as_str);
        self.servers.in_turn(known).into_iter().next().unwrap_or_default()
    }

    /// How many brokers there are, as far as is known.
    pub(super) fn brokers(&self) -> usize {
        self.brokers.len()
    }

    /// Takes the answer to the question under way, if it has come. Whether anything has been learnt.
    pub(super) fn look(&mut self, now: Instant) -> bool {
        let Some(mut question) = self.question.take() else { return false };
        let server = &question.server;
        match question.link.receive::<MetadataRequest>(question.under_way) {
            Ok(None) if now < question.deadline => {
                self.question = Some(question);
                return false;
            }
            Ok(Some(answer)) => {
                self.servers.has_answered(server);
                self.learn(answer);
                return true;
            }
            Ok(None) => tracing::debug!(server, "no answer to a question for leaders"),
            Err(error) => tracing::debug!(server, %error, "asking for leaders"),
        }
        self.servers.was_silent(server, now);
        false
    }

    fn learn(&mut self, answer: MetadataResponse) {
        if !answer.brokers.is_empty() {
            let address = |host: &str, port: i32| format!("{host}:{port}");
            self.brokers = answer.brokers.iter().map(|b| (b.node_id.0, address(&b.host, b.port))).collect();
        }
        let mut is_complete = true;
        for topic in answer.topics {
            let Some(TopicName(name)) = topic.name else { continue };
            let known = match topic.error_code.err() {
                Some(
                    error @ (ResponseError::TopicAuthorizationFailed | ResponseError::InvalidTopicException),
                ) => Topic::Refused(error),
                _ if topic.partitions.is_empty() => {
                    // It may come.
                    is_complete = false;
                    self.leaders.remove(&name);
                    continue;
                }
                _ => {
                    let count = topic.partitions.iter().map(|p| p.partition_index + 1).max().unwrap_or(0);
                    let mut leaders = vec![None; usize::try_from(count).unwrap_or(0)];
                    for partition in topic.partitions {
                        let leader = Some(partition.leader_id.0).filter(|leader| *leader >= 0);
                        is_complete &= leader.is_some();
                        if let Some(place) =
                            usize::try_from(partition.partition_index).ok().and_then(|n| leaders.get_mut(n))
                        {
                            *place = leader;
                        }
                    }
                    Topic::Partitions(leaders)
                }
            };
            self.leaders.insert(name, known);
        }
        if is_complete {
            self.backoff.succeed();
        }
    }

    /// What to wait for.
    pub(super) fn readiness(&self) -> Option<PollFd<'_>> {
        self.question.as_ref().map(|question| question.link.readiness())
    }

    /// When there is something to do without an answer.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.question {
            Some(question) => {
                Some(question.link.due().map_or(question.deadline, |due| due.min(question.deadline)))
            }
            None => self.backoff.end(),
        }
    }
}

/// How long not to try again what was in vain: at first 50 ms, then twice as long each time, up to a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    end: Option<Instant>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::between(Duration::from_millis(50), Duration::from_secs(1))
    }
}

impl Backoff {
    pub(super) fn between(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0, end: None }
    }

    pub(super) fn fail(&mut self, now: Instant) {
        let pause = self.first.saturating_mul(1 << self.failures.min(16));
        self.end = Some(now + pause.min(self.longest));
        self.failures = self.failures.saturating_add(1);
    }

    pub(super) fn succeed(&mut self) {
        (self.failures, self.end) = (0, None);
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.end.is_none_or(|end| end <= now)
    }

    pub(super) fn end(&self) -> Option<Instant> {
        self.end
    }
}
