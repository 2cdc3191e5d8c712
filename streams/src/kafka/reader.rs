//! A reader outside the group.
//!
//! Two clients, because isolation belongs to the client: one reads committed records and offsets, and is told the last
//! stable offset as a partition's end; the other asks for the true ends: a commit whose marker is not written yet lies
//! beyond the last stable offset.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::config::Settings;
use super::error::failed;
use super::fetcher::Fetcher;
use super::log::ClientLog;
use super::names::Names;
use crate::client::{ClientError, ErrorKind, Reader, Watermarks};
use crate::record::{ConsumerRecord, TopicPartition};

/// One question: short, so that who asks can stop.
const PATIENCE: Duration = Duration::from_secs(2);

/// The clients are made when they are first used.
pub(super) struct PartitionReader {
    settings: Arc<Settings>,
    group: String,
    committed: Option<Fetcher<ClientLog>>,
    uncommitted: Option<BaseConsumer<ClientLog>>,
    names: Names,
}

impl PartitionReader {
    pub(super) fn new(settings: Arc<Settings>, group: &str) -> Self {
        let names = Names::new(settings.prefix());
        Self { settings, group: group.to_string(), committed: None, uncommitted: None, names }
    }

    fn fetcher(&mut self) -> Result<&mut Fetcher<ClientLog>, ClientError> {
        let fetcher = match self.committed.take() {
            Some(fetcher) => fetcher,
            None => {
                let config = self.settings.observer(&self.group);
                let log = ClientLog::new(format!("reader for {}", self.group));
                Fetcher::new(&config, log, Names::new(self.settings.prefix()))
                    .map_err(failed(format!("make a reader for {}", self.group)))?
            }
        };
        Ok(self.committed.insert(fetcher))
    }

    fn inquirer(&mut self) -> Result<&BaseConsumer<ClientLog>, ClientError> {
        let client = match self.uncommitted.take() {
            Some(client) => client,
            None => self
                .settings
                .inquirer()
                .create_with_context(ClientLog::new(format!("inquirer for {}", self.group)))
                .map_err(failed(format!("make a client that asks for offsets for {}", self.group)))?,
        };
        // It never gets a record; what it has to say would pile up.
        while client.poll(Duration::ZERO).is_some() {}
        Ok(self.uncommitted.insert(client))
    }

    /// One true end of each of these partitions.
    fn ends(&mut self, partitions: &[TopicPartition], end: Offset) -> Result<Vec<i64>, ClientError> {
        let list = self.asking_for(end, partitions)?;
        let answer = self.inquirer()?.offsets_for_times(list, PATIENCE);
        self.told(answer, partitions)
    }

    /// librdkafka takes either end for a time, as Kafka itself does.
    fn asking_for(
        &mut self,
        end: Offset,
        partitions: &[TopicPartition],
    ) -> Result<TopicPartitionList, ClientError> {
        let mut list = self.names.list(partitions);
        list.set_all_offsets(end).map_err(failed(asking(partitions)))?;
        Ok(list)
    }

    fn told(
        &mut self,
        answer: KafkaResult<TopicPartitionList>,
        partitions: &[TopicPartition],
    ) -> Result<Vec<i64>, ClientError> {
        let answer = answer.map_err(failed(asking(partitions)))?;
        let offsets = self.names.offsets_in(&answer, partitions).map_err(failed(asking(partitions)))?;
        offsets.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| ClientError {
            kind: ErrorKind::Retriable,
            attempted: asking(partitions),
            reason: "the broker did not answer for all of them".to_string(),
        })
    }
}

fn asking(partitions: &[TopicPartition]) -> String {
    format!("ask for the ends of {} partitions", partitions.len())
}

impl Reader for PartitionReader {
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = format!("fetch the committed offsets of {}", self.group);
        let fetcher = self.fetcher()?;
        let list = fetcher.names().list(partitions);
        let answer = fetcher.consumer().committed_offsets(list, PATIENCE).map_err(failed(attempt.clone()))?;
        fetcher.names().offsets_in(&answer, partitions).map_err(failed(attempt))
    }

    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let lows = self.ends(partitions, Offset::Beginning)?;
        let highs = self.ends(partitions, Offset::End)?;
        Ok(lows.into_iter().zip(highs).map(|(low, high)| Watermarks { low, high }).collect())
    }

    fn last_stable_offsets(&mut self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let list = self.asking_for(Offset::End, partitions)?;
        let answer = self.fetcher()?.consumer().offsets_for_times(list, PATIENCE);
        self.told(answer, partitions)
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.fetcher()?.assign(positions)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        self.fetcher()?.poll(wait)
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        self.fetcher()?.position(partition)
    }
}
