//! Who does what in a cluster: which broker leads a partition, which one coordinates a group or a transactional id.
//!
//! What is known may be out of date. A broker that says so, or does not answer, is asked no more until the cluster
//! has been asked again.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, FindCoordinatorRequest, MetadataRequest,
    MetadataResponse, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use super::link::{Link, UnderWay};
use super::servers::{Servers, share};
use crate::client::{ClientError, ErrorKind};
use crate::kafka::error::kind_of_refusal;

/// Between two attempts at what may succeed later.
const BACKOFF: [Duration; 5] = [
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
];

/// How long one of several brokers may take to say what another one can say too.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a coordinator may take to answer, before the request is sent once more.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(3);
/// A connection that was used so recently is not looked at before it is used again.
const RECENT: Duration = Duration::from_secs(1);

/// What a broker coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coordinated {
    Group = 0,
    Transactions = 1,
}

/// A broker, by its number.
pub(super) type Broker = i32;

/// The cluster as one client sees it, with the connections to its brokers.
#[derive(Debug)]
pub(super) struct Cluster {
    servers: Servers,
    client_id: StrBytes,
    /// `host:port` of each broker.
    brokers: HashMap<Broker, String>,
    leaders: HashMap<(StrBytes, i32), Broker>,
    coordinators: HashMap<(Coordinated, StrBytes), Broker>,
    connections: HashMap<Broker, Connection>,
}

/// A connection, and when it was used last.
#[derive(Debug)]
struct Connection {
    link: Link,
    used: Instant,
}

/// A call to the cluster came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// No answer: whether the request arrived is not known.
    #[error("{0}")]
    NoAnswer(#[from] io::Error),
    /// The broker's answer is an error.
    #[error("{0}")]
    Refused(ResponseError),
}

impl Cluster {
    /// Of these servers. Connects to nothing yet.
    pub(super) fn new(servers: &Servers, client_id: &str) -> Self {
        Self {
            servers: servers.clone(),
            client_id: StrBytes::from_string(client_id.to_string()),
            brokers: HashMap::new(),
            leaders: HashMap::new(),
            coordinators: HashMap::new(),
            connections: HashMap::new(),
        }
    }

    /// What the brokers can do.
    pub(super) fn versions(&mut self, deadline: Instant) -> io::Result<ApiVersionsResponse> {
        let name = StrBytes::from_static_str("streams");
        let version = StrBytes::from_static_str(env!("CARGO_PKG_VERSION"));
        let request = ApiVersionsRequest::default()
            .with_client_software_name(name)
            .with_client_software_version(version);
        self.ask(&request, 3, deadline, ASK_TIMEOUT)
    }

    /// The leader of a partition, if there is one.
    pub(super) fn leader(
        &mut self,
        topic: &StrBytes,
        partition: i32,
        deadline: Instant,
    ) -> Result<Option<Broker>, CallError> {
        let key = (topic.clone(), partition);
        if !self.leaders.contains_key(&key) {
            self.learn(std::slice::from_ref(topic), deadline)?;
        }
        Ok(self.leaders.get(&key).copied())
    }

    /// Forgets who leads a partition.
    pub(super) fn forget_leader(&mut self, topic: &StrBytes, partition: i32) {
        self.leaders.remove(&(topic.clone(), partition));
    }

    /// What the cluster says of itself and of these topics.
    pub(super) fn metadata(
        &mut self,
        topics: &[StrBytes],
        deadline: Instant,
    ) -> io::Result<MetadataResponse> {
        let named =
            |topic: &StrBytes| MetadataRequestTopic::default().with_name(Some(TopicName(topic.clone())));
        let request = MetadataRequest::default()
            .with_topics(Some(topics.iter().map(named).collect()))
            .with_allow_auto_topic_creation(false);
        let answer = self.ask(&request, 12, deadline, ASK_TIMEOUT)?;
        if !answer.brokers.is_empty() {
            let address = |host: &str, port: i32| format!("{host}:{port}");
            self.brokers = answer.brokers.iter().map(|b| (b.node_id.0, address(&b.host, b.port))).collect();
        }
        Ok(answer)
    }

    /// Asks for the leaders of these topics. The partitions that there are.
    pub(super) fn learn(
        &mut self,
        topics: &[StrBytes],
        deadline: Instant,
    ) -> Result<Vec<(StrBytes, i32)>, CallError> {
        let mut places = Vec::new();
        for topic in self.metadata(topics, deadline)?.topics {
            if let Some(error) = topic.error_code.err().filter(|error| !is_passing(*error)) {
                return Err(CallError::Refused(error));
            }
            let Some(TopicName(name)) = topic.name else { continue };
            // A copy, because it is kept: the answer's buffer is used again.
            let name = StrBytes::from_string(name.to_string());
            for partition in topic.partitions {
                let key = (name.clone(), partition.partition_index);
                places.push(key.clone());
                match partition.error_code.ok() {
                    Some(()) => self.leaders.insert(key, partition.leader_id.0),
                    None => self.leaders.remove(&key),
                };
            }
        }
        Ok(places)
    }

    /// Calls the coordinator of `key`, until it answers with something else than that another time, or another broker,
    /// would be better. `code` tells the answer's error.
    ///
    /// What was not answered is sent again as it was, so the request has to be one that may be carried out twice.
    pub(super) fn call_coordinator<R: Request>(
        &mut self,
        coordinated: Coordinated,
        key: &StrBytes,
        request: &R,
        version: i16,
        deadline: Instant,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, CallError> {
        for attempt in 0.. {
            let until = share(Instant::now(), deadline, LONGEST_ATTEMPT);
            let answer = self.coordinator(coordinated, key, until).and_then(|broker| {
                let until = share(Instant::now(), deadline, LONGEST_ATTEMPT);
                Ok(self.call(broker, request, version, until)?)
            });
            let failure = match answer.map(|answer| (code(&answer).err(), answer)) {
                Ok((None, answer)) => return Ok(answer),
                Ok((Some(error), _)) => CallError::Refused(error),
                Err(error) => error,
            };
            let may_pass = match &failure {
                CallError::Refused(error) => is_passing(*error),
                CallError::NoAnswer(_) => true,
            };
            if !may_pass || Instant::now() >= deadline {
                return Err(failure);
            }
            if !matches!(failure, CallError::Refused(ResponseError::ConcurrentTransactions)) {
                self.coordinators.remove(&(coordinated, key.clone()));
            }
            wait(attempt);
        }
        unreachable!("the attempts have no end")
    }

    /// The broker that coordinates `key`.
    pub(super) fn coordinator(
        &mut self,
        coordinated: Coordinated,
        key: &StrBytes,
        deadline: Instant,
    ) -> Result<Broker, CallError> {
        if let Some(broker) = self.coordinators.get(&(coordinated, key.clone())) {
            return Ok(*broker);
        }
        let request = FindCoordinatorRequest::default()
            .with_key_type(coordinated as i8)
            .with_coordinator_keys(vec![key.clone()]);
        let answer = self.ask(&request, 4, deadline, ASK_TIMEOUT)?;
        let Some(found) = answer.coordinators.into_iter().next() else {
            return Err(CallError::Refused(ResponseError::CoordinatorNotAvailable));
        };
        if let Some(error) = found.error_code.err() {
            return Err(CallError::Refused(error));
        }
        let broker = found.node_id.0;
        self.brokers.insert(broker, format!("{}:{}", found.host, found.port));
        self.coordinators.insert((coordinated, key.clone()), broker);
        Ok(broker)
    }

    /// Calls a broker.
    pub(super) fn call<R: Request>(
        &mut self,
        broker: Broker,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> io::Result<R::Response> {
        let under_way = self.send(broker, request, version)?;
        self.receive::<R>(broker, under_way, deadline)
    }

    /// Sends a request to a broker. Its answer has to be received before there is another one.
    pub(super) fn send<R: Request>(
        &mut self,
        broker: Broker,
        request: &R,
        version: i16,
    ) -> io::Result<UnderWay> {
        let sent = self.connection(broker).and_then(|connection| {
            connection.used = Instant::now();
            connection.link.send(request, version)
        });
        sent.inspect_err(|_| self.lose(broker))
    }

    /// Waits for the answer to a request.
    pub(super) fn receive<R: Request>(
        &mut self,
        broker: Broker,
        under_way: UnderWay,
        deadline: Instant,
    ) -> io::Result<R::Response> {
        // Not a new connection: the answer could not come there.
        let Some(connection) = self.connections.get_mut(&broker) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        connection.link.wait_for::<R>(under_way, deadline).inspect_err(|_| self.lose(broker))
    }

    fn connection(&mut self, broker: Broker) -> io::Result<&mut Connection> {
        // A broker closes a connection after a while without requests.
        let is_open = |known: &Connection| known.used.elapsed() < RECENT || known.link.is_open();
        if !self.connections.get(&broker).is_some_and(is_open) {
            let Some(address) = self.brokers.get(&broker) else {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("broker {broker} has no address"),
                ));
            };
            let link = Link::open(address, &self.client_id)?;
            self.connections.insert(broker, Connection { link, used: Instant::now() });
        }
        self.connections.get_mut(&broker).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Without its connection a broker is no leader and no coordinator any more, as far as is known.
    fn lose(&mut self, broker: Broker) {
        if let Some(address) = self.brokers.get(&broker) {
            self.servers.was_silent(address, Instant::now());
        }
        self.connections.remove(&broker);
        self.leaders.retain(|_, leader| *leader != broker);
        self.coordinators.retain(|_, coordinator| *coordinator != broker);
    }

    /// Asks whichever server answers, first those to which there is a connection. Each may take so long, and as long as
    /// there is another one no more than half of the time that is left.
    pub(super) fn ask<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Instant,
        timeout: Duration,
    ) -> io::Result<R::Response> {
        let connected = self.connections.keys().filter_map(|broker| self.brokers.get(broker));
        let known = connected.chain(self.brokers.values()).map(String::as_str);
        let servers = self.servers.in_turn(known);
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "no broker is named");
        for (index, server) in servers.iter().enumerate() {
            let now = Instant::now();
            if index > 0 && now >= deadline {
                break;
            }
            let is_last = index + 1 == servers.len();
            let until = if is_last { deadline.min(now + timeout) } else { share(now, deadline, timeout) };
            match self.ask_server(server, request, version, until) {
                Ok(answer) => {
                    self.servers.has_answered(server);
                    return Ok(answer);
                }
                Err(error) => {
                    self.servers.was_silent(server, now);
                    // That one has answered, in its way, says more than that others have not.
                    if failure.kind() != io::ErrorKind::InvalidData {
                        failure = io::Error::new(error.kind(), format!("{server}: {error}"));
                    }
                }
            }
        }
        Err(failure)
    }

    fn ask_server<R: Request>(
        &mut self,
        server: &str,
        request: &R,
        version: i16,
        until: Instant,
    ) -> io::Result<R::Response> {
        let broker = self.brokers.iter().find(|(_, address)| *address == server);
        if let Some(broker) = broker.map(|(broker, _)| *broker) {
            return self.call(broker, request, version, until);
        }
        let mut link = Link::open(server, &self.client_id)?;
        let under_way = link.send(request, version)?;
        link.wait_for::<R>(under_way, until)
    }
}

/// What was attempted when a call came to nothing.
pub(super) fn failed(attempted: String, error: CallError) -> ClientError {
    let kind = match &error {
        CallError::Refused(error) => kind_of_refusal(*error),
        CallError::NoAnswer(_) => ErrorKind::Retriable,
    };
    ClientError { kind, attempted, reason: error.to_string() }
}

/// Whether the brokers' finished features and versions are those that this module speaks: Kafka 4 with transactions of
/// the second version (KIP-890).
pub(super) fn is_spoken(versions: &ApiVersionsResponse) -> bool {
    let has = |key: ApiKey, version: i16| {
        versions
            .api_keys
            .iter()
            .any(|api| api.api_key == key as i16 && api.min_version <= version && api.max_version >= version)
    };
    let transactions =
        versions.finalized_features.iter().find(|feature| &*feature.name == "transaction.version");
    transactions.is_some_and(|feature| feature.max_version_level >= 2)
        && [
            (ApiKey::Produce, 12),
            (ApiKey::EndTxn, 5),
            (ApiKey::TxnOffsetCommit, 5),
            (ApiKey::InitProducerId, 5),
            (ApiKey::Metadata, 12),
            (ApiKey::FindCoordinator, 4),
            (ApiKey::JoinGroup, 7),
            (ApiKey::SyncGroup, 5),
            (ApiKey::Heartbeat, 4),
            (ApiKey::LeaveGroup, 4),
            (ApiKey::OffsetCommit, 8),
            (ApiKey::Fetch, 12),
            (ApiKey::OffsetFetch, 8),
            (ApiKey::ListOffsets, 7),
            (ApiKey::CreateTopics, 7),
            (ApiKey::DescribeConfigs, 4),
            (ApiKey::DescribeGroups, 5),
            (ApiKey::DeleteRecords, 2),
        ]
        .into_iter()
        .all(|(key, version)| has(key, version))
}

/// Whether the same request may succeed a moment later, there or at another broker.
pub(super) fn is_passing(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::CoordinatorLoadInProgress
            | ResponseError::CoordinatorNotAvailable
            | ResponseError::NotCoordinator
            | ResponseError::ConcurrentTransactions
            | ResponseError::UnknownTopicOrPartition
            | ResponseError::LeaderNotAvailable
            | ResponseError::NotLeaderOrFollower
            | ResponseError::RequestTimedOut
            | ResponseError::NetworkException
            | ResponseError::KafkaStorageError
            | ResponseError::NotEnoughReplicas
            | ResponseError::NotEnoughReplicasAfterAppend
    )
}

/// Waits before attempt `attempt` + 1.
pub(super) fn wait(attempt: usize) {
    std::thread::sleep(BACKOFF[attempt.min(BACKOFF.len() - 1)]);
}
