//! Fetching records of assigned partitions: what a member of a group and a reader have in common.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;

use super::error::{failed, passes};
use super::log::ClientLog;
use super::names::{Names, absolute};
use super::record;
use crate::client::ClientError;
use crate::record::{ConsumerRecord, TopicPartition};

/// Gives access to the log of a context.
pub(super) trait Logged {
    fn client_log(&self) -> &ClientLog;
}

impl Logged for ClientLog {
    fn client_log(&self) -> &ClientLog {
        self
    }
}

/// A consumer with its assignment.
pub(super) struct Fetcher<C: ConsumerContext + Logged> {
    consumer: Arc<BaseConsumer<C>>,
    names: Names,
    starts: HashMap<TopicPartition, i64>,
    /// Asked for once between two polls: nothing moves without one.
    positions: Option<HashMap<TopicPartition, i64>>,
}

impl<C: ConsumerContext + Logged> Fetcher<C> {
    pub(super) fn new(config: &ClientConfig, context: C, names: Names) -> KafkaResult<Self> {
        let consumer = Arc::new(config.create_with_context(context)?);
        Ok(Self { consumer, names, starts: HashMap::new(), positions: None })
    }

    pub(super) fn consumer(&self) -> &Arc<BaseConsumer<C>> {
        &self.consumer
    }

    pub(super) fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    pub(super) fn context(&self) -> &Arc<C> {
        self.consumer.context()
    }

    /// Replaces the assignment. What was fetched for the former one is dropped.
    pub(super) fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let attempt = || format!("assign {} partitions", positions.len());
        let list = self.names.list_at(positions).map_err(failed(attempt()))?;
        self.consumer.assign(&list).map_err(failed(attempt()))?;
        self.settle().map_err(failed(attempt()))?;
        self.starts = positions.iter().cloned().collect();
        self.positions = None;
        Ok(())
    }

    pub(super) fn unassign(&mut self) -> Result<(), ClientError> {
        self.consumer.unassign().map_err(failed("give all partitions up"))?;
        self.settle().map_err(failed("give all partitions up"))?;
        self.starts.clear();
        self.positions = None;
        Ok(())
    }

    /// The next record of the assignment.
    pub(super) fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        self.positions = None;
        match self.consumer.poll(wait.min(LONGEST_WAIT)) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(record::read(&message, &mut self.names))),
            Some(Err(error)) if passes(&error) => Ok(None),
            Some(Err(error)) => {
                let failure = failed("read records")(error);
                let reason = self.context().client_log().take_last_error().unwrap_or(failure.reason);
                Err(ClientError { reason, ..failure })
            }
        }
    }

    /// Below this offset everything was handed out, control records passed over.
    pub(super) fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        if !self.starts.contains_key(partition) {
            return Ok(None);
        }
        if self.positions.is_none() {
            self.positions = Some(self.fetch_positions().map_err(failed("tell its position"))?);
        }
        Ok(self.positions.as_ref().and_then(|positions| positions.get(partition).copied()))
    }

    fn fetch_positions(&mut self) -> KafkaResult<HashMap<TopicPartition, i64>> {
        // Where nothing was read yet, librdkafka knows no position.
        let mut positions = self.starts.clone();
        for element in self.consumer.position()?.elements() {
            let partition = TopicPartition::new(self.names.inside(element.topic()), element.partition());
            if let Some(offset) = absolute(element.offset()) {
                positions.insert(partition, offset);
            }
        }
        Ok(positions)
    }

    /// Waits until the partitions of the former assignment have stopped. librdkafka stops them in its own thread
    /// after `assign` has returned, and a second stop of the same partition before that fails an assertion
    /// there, which ends the process. This question queues behind the stops.
    fn settle(&self) -> KafkaResult<()> {
        self.consumer.assignment().map(drop)
    }
}

/// librdkafka counts milliseconds in 31 bits.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
