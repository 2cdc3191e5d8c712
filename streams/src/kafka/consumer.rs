//! A member of a consumer group.
//!
//! librdkafka runs its rebalance callback inside `poll`, and waits for an answer before it goes on: `assign`
//! after an assignment, `unassign` after a revocation. Here the callback answers nothing. It queues the event for
//! the worker, who answers when it is ready; heartbeats go on meanwhile. The membership is asked for once, in the
//! callback: until the answer no other generation can begin.
//!
//! A commit is the one call of a consumer that librdkafka does not bound: while it has no connection it goes on
//! trying, and sends the request when the broker is back, maybe after a later commit. So it runs on a thread of
//! its own, and a member whose commit was not answered in time is of no more use.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::Timeout;
use rdkafka::{ClientContext, TopicPartitionList};

use super::config::Settings;
use super::error::{failed, is_an_answer};
use super::fetcher::{Fetcher, Logged};
use super::log::ClientLog;
use super::names::Names;
use crate::client::{ClientError, ErrorKind, GroupConsumer, GroupEvent, GroupMetadata, Membership};
use crate::record::TopicPartition;

/// The member; nothing is left of it once it is closed.
pub(super) struct Member {
    group: String,
    session_timeout: Duration,
    fetcher: Option<Fetcher<MemberContext>>,
    commit_is_open: bool,
}

impl Member {
    pub(super) fn new(settings: &Settings, membership: &Membership) -> Result<Self, ClientError> {
        let group = membership.group.clone();
        let log = ClientLog::new(format!("consumer of {group}")).telling_of_outages();
        let config = settings.member(&group, &membership.client_id);
        let fetcher = Fetcher::new(&config, MemberContext::new(log), Names::new(settings.prefix()))
            .map_err(failed(format!("make a consumer of {group}")))?;
        let session_timeout = settings.session_timeout();
        Ok(Self { group, session_timeout, fetcher: Some(fetcher), commit_is_open: false })
    }

    fn fetcher(&mut self) -> Result<&mut Fetcher<MemberContext>, ClientError> {
        let useless = |kind, reason: &str| ClientError {
            kind,
            attempted: format!("use a consumer of {}", self.group),
            reason: reason.to_string(),
        };
        if self.commit_is_open {
            return Err(useless(ErrorKind::Fenced, "the outcome of its last commit is not known"));
        }
        self.fetcher.as_mut().ok_or_else(|| useless(ErrorKind::Fatal, "it is closed"))
    }

    fn next_rebalance(&mut self) -> Result<Option<GroupEvent>, ClientError> {
        let fetcher = self.fetcher()?;
        let Some(rebalance) = fetcher.context().lock().queue.pop_front() else { return Ok(None) };
        Ok(Some(match rebalance {
            Rebalance::Revoked { lost } => GroupEvent::Revoked { lost },
            Rebalance::Assigned { partitions, metadata } => {
                let inside = |(topic, partition): (String, i32)| {
                    TopicPartition::new(fetcher.names().inside(&topic), partition)
                };
                let partitions = partitions.into_iter().map(inside).collect();
                GroupEvent::Assigned(partitions, GroupMetadata(Arc::new(metadata)))
            }
        }))
    }
}

impl GroupConsumer for Member {
    fn subscribe(&mut self, topics: &[Arc<str>]) -> Result<(), ClientError> {
        let attempt = format!("subscribe to {}", topics.join(", "));
        let fetcher = self.fetcher()?;
        let names: Vec<String> =
            topics.iter().map(|topic| fetcher.names().on_cluster(topic).to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        fetcher.consumer().subscribe(&names).map_err(failed(attempt))
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<GroupEvent>, ClientError> {
        if let Some(rebalance) = self.next_rebalance()? {
            return Ok(Some(rebalance));
        }
        match self.fetcher()?.poll(wait)? {
            Some(record) => Ok(Some(GroupEvent::Record(record))),
            None => self.next_rebalance(),
        }
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let fetcher = self.fetcher()?;
        fetcher.assign(positions)?;
        fetcher.context().lock().answered(Answer::Assign);
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), ClientError> {
        let fetcher = self.fetcher()?;
        fetcher.unassign()?;
        fetcher.context().lock().answered(Answer::Unassign);
        Ok(())
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        self.fetcher()?.position(partition)
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let attempt = format!("commit offsets of {}", self.group);
        let fetcher = self.fetcher()?;
        let list = fetcher.names().list_at(offsets).map_err(failed(attempt.clone()))?;
        let outcome = commit(fetcher.consumer().clone(), list);
        // After this time the group has gone on without a member that the broker does not hear.
        match outcome.recv_timeout(self.session_timeout) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_an_answer(&error) => Err(failed(attempt)(error)),
            unanswered => {
                self.commit_is_open = true;
                let reason = match unanswered {
                    Ok(Err(error)) => error.to_string(),
                    _ => "the broker does not answer".to_string(),
                };
                Err(ClientError { kind: ErrorKind::Fenced, attempted: attempt, reason })
            }
        }
    }

    fn close(&mut self) {
        let Some(mut fetcher) = self.fetcher.take() else { return };
        fetcher.context().closing.store(true, Ordering::Release);
        // Closing would wait for the answer to what was handed out. What was not is answered by the callback; to
        // answer that here as well would let the group end first, and the second answer would never return.
        let awaited = fetcher.context().lock().awaited;
        let answered = match awaited {
            Some(Answer::Assign) => fetcher.assign(&[]),
            Some(Answer::Unassign) => fetcher.unassign(),
            None => Ok(()),
        };
        if let Err(error) = answered {
            tracing::debug!(group = self.group, %error, "closing a consumer");
        }
        drop(fetcher);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.close();
    }
}

/// Commits on another thread. The consumer is let go before the outcome is told, else at the end of the thread.
fn commit(
    consumer: Arc<BaseConsumer<MemberContext>>,
    offsets: TopicPartitionList,
) -> mpsc::Receiver<KafkaResult<()>> {
    let (tell, outcome) = mpsc::sync_channel(1);
    let run = move || {
        let committed = consumer.commit(&offsets, CommitMode::Sync);
        drop(consumer);
        // Nobody waits any more if it took too long.
        let _ = tell.send(committed);
    };
    if let Err(error) = thread::Builder::new().name("kafka-commit".to_string()).spawn(run) {
        tracing::warn!(%error, "cannot start a thread for a commit");
    }
    outcome
}

enum Rebalance {
    Assigned { partitions: Vec<(String, i32)>, metadata: ConsumerGroupMetadata },
    Revoked { lost: bool },
}

/// What librdkafka waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Assign,
    Unassign,
}

/// What the callback was called for.
#[derive(Default)]
struct Rebalances {
    queue: VecDeque<Rebalance>,
    awaited: Option<Answer>,
}

impl Rebalances {
    fn push(&mut self, rebalance: Rebalance) {
        self.awaited = Some(match rebalance {
            Rebalance::Assigned { .. } => Answer::Assign,
            Rebalance::Revoked { .. } => Answer::Unassign,
        });
        self.queue.push_back(rebalance);
    }

    fn answered(&mut self, answer: Answer) {
        self.awaited.take_if(|awaited| *awaited == answer);
    }
}

struct MemberContext {
    log: ClientLog,
    rebalances: Mutex<Rebalances>,
    closing: AtomicBool,
}

impl MemberContext {
    fn new(log: ClientLog) -> Self {
        Self { log, rebalances: Mutex::default(), closing: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Rebalances> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let rebalance = match code {
            // Nobody is there to answer any more.
            _ if self.closing.load(Ordering::Acquire) => None,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let owned = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
                    (element.topic().to_string(), element.partition())
                };
                let partitions = partitions.elements().iter().map(owned).collect();
                consumer.group_metadata().map(|metadata| Rebalance::Assigned { partitions, metadata })
            }
            _ => Some(Rebalance::Revoked { lost: consumer.assignment_lost() }),
        };
        match rebalance {
            Some(rebalance) => self.lock().push(rebalance),
            None => {
                if let Err(error) = consumer.unassign() {
                    tracing::debug!(%error, "giving all partitions up");
                }
            }
        }
    }

    fn main_queue_min_poll_interval(&self) -> Timeout {
        self.log.main_queue_min_poll_interval()
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl Logged for MemberContext {
    fn client_log(&self) -> &ClientLog {
        &self.log
    }
}
