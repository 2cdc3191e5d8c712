//! A member of a consumer group.
//!
//! The group's side lives on a thread of its own (`group.rs`); fetching takes place inside `poll`, on the worker's
//! thread (`fetch.rs`), so that a record changes hands without a thread being woken in between.
//!
//! A commit that was not answered may take place yet: a member that does not know is of no more use.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::Generation;
use super::coordinator::{CallError, Coordinator, Patience, is_elsewhere};
use super::fetch::Fetch;
use super::group::{self, Terms};
use super::link::{Alarm, alarm};
use super::rebalance::{Rebalance, Shared};
use crate::client::{ClientError, ErrorKind, GroupConsumer, GroupEvent, GroupMetadata, Membership};
use crate::kafka::config::Settings;
use crate::kafka::error::kind_of_refusal;
use crate::kafka::names::Names;
use crate::record::TopicPartition;

/// How long to wait for the group's thread to leave. Longer than that takes, unless a name is looked up for too long.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to commit.
const COMMIT_PAUSE: Duration = Duration::from_millis(50);

/// The member; nothing is left of it once it is closed.
pub(in crate::kafka) struct Member {
    group: String,
    names: Names,
    open: Option<Open>,
    commit_is_open: bool,
}

struct Open {
    terms: Terms,
    shared: Arc<Shared>,
    alarm: Alarm,
    thread: Thread,
    /// As of the last assignment that was handed out, until its partitions are given up.
    generation: Option<Arc<Generation>>,
    fetch: Fetch,
    commits: Coordinator,
}

/// The thread of the group.
enum Thread {
    /// It starts with the first subscription.
    Waiting(Box<(Coordinator, Alarm)>),
    /// The channel ends with it.
    Running(mpsc::Receiver<()>),
}

impl Member {
    pub(in crate::kafka) fn new(settings: &Settings, membership: &Membership) -> Result<Self, ClientError> {
        let group = membership.group.clone();
        let attempted = format!("make a consumer of {group}");
        let failed = |error: std::io::Error| ClientError {
            kind: ErrorKind::Retriable,
            attempted: attempted.clone(),
            reason: error.to_string(),
        };
        let (for_worker, alarm_of_worker) = alarm().map_err(failed)?;
        let (for_group, alarm_of_group) = alarm().map_err(failed)?;
        let servers = settings.servers();
        let client_id = StrBytes::from_string(membership.client_id.clone());
        let terms = Terms {
            group: StrBytes::from_string(settings.on_cluster(&group)),
            session_timeout: settings.session_timeout(),
            heartbeat_interval: settings.heartbeat_interval(),
            max_poll_interval: settings.max_poll_interval(),
        };
        let coordinator = || Coordinator::new(servers, client_id.clone(), terms.group.clone());
        let open = Open {
            shared: Arc::new(Shared::new(terms.max_poll_interval, for_worker, for_group)),
            alarm: alarm_of_worker,
            thread: Thread::Waiting(Box::new((coordinator(), alarm_of_group))),
            generation: None,
            fetch: Fetch::new(servers, client_id.clone()),
            commits: coordinator(),
            terms,
        };
        Ok(Self { group, names: Names::new(settings.prefix()), open: Some(open), commit_is_open: false })
    }

    fn open(&mut self) -> Result<(&mut Open, &mut Names), ClientError> {
        let useless = |kind, reason: &str| ClientError {
            kind,
            attempted: format!("use a consumer of {}", self.group),
            reason: reason.to_string(),
        };
        if self.commit_is_open {
            return Err(useless(ErrorKind::Fenced, "the outcome of its last commit is not known"));
        }
        match &mut self.open {
            Some(open) => Ok((open, &mut self.names)),
            None => Err(useless(ErrorKind::Fatal, "it is closed")),
        }
    }
}

impl GroupConsumer for Member {
    fn subscribe(&mut self, topics: &[Arc<str>]) -> Result<(), ClientError> {
        let attempted = format!("subscribe to {}", topics.join(", "));
        let (open, names) = self.open()?;
        let named = |topic| names.on_wire(topic);
        open.shared.subscribe(topics.iter().map(named).collect());
        open.start().map_err(|error| ClientError {
            kind: ErrorKind::Retriable,
            attempted,
            reason: format!("no thread can be started for its group: {error}"),
        })
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<GroupEvent>, ClientError> {
        let (open, names) = self.open()?;
        open.poll(wait, names)
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let (open, names) = self.open()?;
        open.fetch.assign(
            positions.iter().map(|(place, offset)| (place.clone(), names.on_wire(&place.topic), *offset)),
        );
        open.shared.assigned();
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), ClientError> {
        let (open, _) = self.open()?;
        open.fetch.assign(std::iter::empty());
        open.generation = None;
        open.shared.unassigned();
        Ok(())
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        Ok(self.open()?.0.fetch.position(partition))
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let attempted = format!("commit offsets of {}", self.group);
        let failed = |kind, reason: String| ClientError { kind, attempted, reason };
        let (open, names) = self.open()?;
        if offsets.is_empty() {
            return Err(failed(ErrorKind::Retriable, "there are no offsets".to_string()));
        }
        let Some(generation) = &open.generation else {
            return Err(failed(ErrorKind::Fenced, "no partitions are assigned to it".to_string()));
        };
        let request = commit_request(generation, offsets, names);
        match open.commit(&request) {
            Ok(()) => Ok(()),
            Err(NotCommitted::Refused(error)) => Err(failed(kind_of_refusal(error), error.to_string())),
            Err(NotCommitted::Unknown(reason)) => {
                self.commit_is_open = true;
                Err(failed(ErrorKind::Fenced, reason))
            }
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        open.shared.close();
        if let Thread::Running(ended) = open.thread
            && ended.recv_timeout(CLOSE_TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout)
        {
            tracing::warn!(
                group = self.group,
                "leaving the group takes too long: it goes on without being waited for"
            );
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.close();
    }
}

/// Why offsets were not committed.
enum NotCommitted {
    /// They will not be committed later either.
    Refused(ResponseError),
    /// Whether they are, or will be, nobody can tell.
    Unknown(String),
}

impl Open {
    fn start(&mut self) -> std::io::Result<()> {
        let Thread::Waiting(_) = self.thread else { return Ok(()) };
        let (_, nothing) = mpsc::channel();
        if let Thread::Waiting(waiting) = std::mem::replace(&mut self.thread, Thread::Running(nothing)) {
            let (coordinator, alarm) = *waiting;
            let ended = group::spawn(self.terms.clone(), coordinator, self.shared.clone(), alarm)?;
            self.thread = Thread::Running(ended);
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration, names: &mut Names) -> Result<Option<GroupEvent>, ClientError> {
        self.shared.polled();
        if let Some(event) = self.event(names)? {
            return Ok(Some(event));
        }
        if let Some(record) = self.fetch.next()? {
            return Ok(Some(GroupEvent::Record(record)));
        }
        self.check_thread()?;
        // A poll that waits is no worker that does not poll.
        let mut now = Instant::now();
        let end = now + wait.min(self.terms.max_poll_interval / 2);
        loop {
            self.fetch.advance(now);
            if let Some(record) = self.fetch.next()? {
                return Ok(Some(GroupEvent::Record(record)));
            }
            if now >= end {
                return Ok(None);
            }
            let until = self.fetch.due(now).map_or(end, |due| due.min(end));
            self.alarm.wait(self.fetch.readiness(), until);
            if let Some(event) = self.event(names)? {
                return Ok(Some(event));
            }
            now = Instant::now();
        }
    }

    /// Without its thread a member would wait for ever.
    fn check_thread(&self) -> Result<(), ClientError> {
        let Thread::Running(ended) = &self.thread else { return Ok(()) };
        match ended.try_recv() {
            Err(mpsc::TryRecvError::Disconnected) => Err(ClientError {
                kind: ErrorKind::Fatal,
                attempted: format!("take part in {}", self.terms.group),
                reason: "a bug: its thread has panicked, see the log".to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn event(&mut self, names: &mut Names) -> Result<Option<GroupEvent>, ClientError> {
        Ok(self.shared.take()?.map(|event| match event {
            Rebalance::Revoked { lost } => GroupEvent::Revoked { lost },
            Rebalance::Assigned(partitions, generation) => {
                self.generation = Some(generation.clone());
                let inside =
                    |(topic, number): (String, i32)| TopicPartition::new(names.inside(&topic), number);
                let partitions = partitions.into_iter().map(inside).collect();
                GroupEvent::Assigned(partitions, GroupMetadata(generation))
            }
        }))
    }

    /// Tries until there is an answer, or until the group has gone on without a member that the broker does not hear.
    fn commit(&mut self, request: &OffsetCommitRequest) -> Result<(), NotCommitted> {
        let deadline = Instant::now() + self.terms.session_timeout;
        let patience = Patience { deadline, alarm: &self.alarm, until: &|| Some(deadline) };
        loop {
            let reason = match self.commits.call(request, 8, patience) {
                Ok(answer) => match first_error(&answer) {
                    None => return Ok(()),
                    Some(error) if is_final(error) => return Err(NotCommitted::Refused(error)),
                    Some(error) => {
                        if is_elsewhere(error) {
                            self.commits.forget();
                        }
                        error.to_string()
                    }
                },
                Err(CallError::Refused(error)) if is_final(error) => {
                    return Err(NotCommitted::Refused(error));
                }
                Err(error @ CallError::Unanswered(_)) => {
                    return Err(NotCommitted::Unknown(error.to_string()));
                }
                Err(error) => error.to_string(),
            };
            if Instant::now() + COMMIT_PAUSE >= deadline {
                return Err(NotCommitted::Unknown(reason));
            }
            std::thread::sleep(COMMIT_PAUSE);
        }
    }
}

fn commit_request(
    generation: &Generation,
    offsets: &[(TopicPartition, i64)],
    names: &mut Names,
) -> OffsetCommitRequest {
    let mut topics: BTreeMap<&Arc<str>, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (place, offset) in offsets {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(place.partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(StrBytes::new()));
        topics.entry(&place.topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        let name = names.on_wire(topic);
        OffsetCommitRequestTopic::default().with_name(TopicName(name)).with_partitions(partitions)
    });
    OffsetCommitRequest::default()
        .with_group_id(GroupId(generation.group.clone()))
        .with_generation_id_or_member_epoch(generation.generation)
        .with_member_id(generation.member.clone())
        .with_topics(topics.collect())
}

fn first_error(answer: &OffsetCommitResponse) -> Option<ResponseError> {
    let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.find_map(|partition| partition.error_code.err())
}

/// Whether a refused commit will not take place later, nor may be taken by another attempt.
fn is_final(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::RebalanceInProgress
            | ResponseError::IllegalGeneration
            | ResponseError::UnknownMemberId
            | ResponseError::FencedInstanceId
            | ResponseError::OffsetMetadataTooLarge
            | ResponseError::InvalidCommitOffsetSize
            | ResponseError::UnknownTopicOrPartition
    ) || kind_of_refusal(error) == ErrorKind::Fatal
}
