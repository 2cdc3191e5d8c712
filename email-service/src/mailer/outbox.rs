//! What the mailer writes to Kafka: what waits, dead letters and offsets, in one transaction.

use std::sync::Arc;

use streams::{
    ClientError, ClientSupplier, ConsumerRecord, GroupMetadata, ProducerRecord, TopicPartition,
    TransactionalProducer, dead_letter_headers,
};

use super::plan::Cause;
use crate::topology::APPLICATION;

/// Commits records with offsets. A commit whose outcome is not known can be repeated: what waits is said by key, and
/// of a dead letter there are two then.
pub(super) struct Outbox {
    clients: Arc<dyn ClientSupplier>,
    transactional_id: String,
    /// Made when it is first needed: most mails need none.
    producer: Option<Box<dyn TransactionalProducer>>,
}

/// What was done in a partition and could not be committed.
#[derive(Debug)]
pub(super) struct Leftover {
    /// Everything below is settled.
    pub(super) settled: i64,
    pub(super) outputs: Vec<ProducerRecord>,
}

impl Outbox {
    pub(super) fn new(clients: Arc<dyn ClientSupplier>, transactional_id: String) -> Self {
        Self { clients, transactional_id, producer: None }
    }

    /// The offsets are those of all partitions, moved or not: it is by them that Kafka refuses what comes from a
    /// member without which the group has gone on.
    pub(super) fn commit(
        &mut self,
        records: &[ProducerRecord],
        offsets: &[(TopicPartition, i64)],
        membership: &GroupMetadata,
    ) -> Result<(), ClientError> {
        let mut producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.begin()?,
        };
        let committed = transact(producer.as_mut(), records, offsets, membership);
        match &committed {
            Ok(()) => self.producer = Some(producer),
            // The next one, of the same id, ends what cannot be aborted now.
            Err(_) => drop(producer.abort()),
        }
        committed
    }

    fn begin(&self) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        let mut producer = self.clients.producer(&self.transactional_id)?;
        producer.init_transactions()?;
        Ok(producer)
    }
}

fn transact(
    producer: &mut dyn TransactionalProducer,
    records: &[ProducerRecord],
    offsets: &[(TopicPartition, i64)],
    membership: &GroupMetadata,
) -> Result<(), ClientError> {
    producer.begin()?;
    for record in records {
        producer.send(record.clone(), None)?;
    }
    producer.send_offsets(offsets, membership)?;
    producer.commit()
}

/// A record with a larger value does not fit into Kafka with what is added to it: the default is 1 MiB.
pub(super) const LARGEST_VALUE: usize = 900_000;

/// The record, as it came, with its cause. Too large a value is left out.
pub(super) fn dead_letter(record: &ConsumerRecord, cause: &Cause) -> ProducerRecord {
    ProducerRecord {
        topic: format!("{APPLICATION}-dlq").into(),
        partition: record.partition,
        key: record.key.clone(),
        value: record.value.clone().filter(|value| value.len() <= LARGEST_VALUE),
        headers: dead_letter_headers(record, cause.exception, &cause.message),
    }
}
