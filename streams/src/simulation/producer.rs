//! A producer with transactions, as the application has it.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{Shared, lock, place_of};
use super::group::Identification;
use super::refusal::Refusal;
use super::transactions::{Decision, Identity};
use crate::client::{ClientError, ErrorKind, GroupMetadata, TransactionalProducer};
use crate::record::{ProducerRecord, TopicPartition};

/// A producer; what it is to the cluster it learns when it begins.
pub(super) struct Producer {
    cluster: Shared,
    id: String,
    identity: Option<Identity>,
    /// The coordinator has said so: nothing can be done with it any more.
    is_fenced: bool,
    transaction: Option<Transaction>,
}

/// What the client knows of its open transaction.
#[derive(Debug, Default)]
struct Transaction {
    partitions: BTreeSet<TopicPartition>,
    has_offsets: bool,
    last: BTreeMap<usize, i64>,
    /// Why it can only be aborted.
    failure: Option<ClientError>,
}

impl Transaction {
    fn is_sound(&self) -> Result<(), ClientError> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}

impl Producer {
    pub(super) fn new(cluster: Shared, transactional_id: &str) -> Self {
        Self {
            cluster,
            id: transactional_id.to_string(),
            identity: None,
            is_fenced: false,
            transaction: None,
        }
    }

    fn attempt(&self, what: &str) -> String {
        format!("{what} of {}", self.id)
    }

    /// The client is asked for something that it cannot do now.
    fn misused(&self, what: &str) -> ClientError {
        let reason = "there is no open transaction".to_string();
        ClientError { kind: ErrorKind::Fenced, attempted: self.attempt(what), reason }
    }

    fn open(&mut self, what: &str) -> Result<(Identity, &mut Transaction), ClientError> {
        let misused = self.misused(what);
        match (self.identity, &mut self.transaction) {
            (Some(identity), Some(transaction)) => Ok((identity, transaction)),
            _ => Err(misused),
        }
    }

    /// What the coordinator says: librdkafka gives up a producer that it says is fenced.
    fn heard<T>(&mut self, answer: Result<T, Refusal>) -> Result<T, Refusal> {
        self.is_fenced |= matches!(answer, Err(Refusal::InvalidProducerEpoch));
        answer
    }

    /// Has the partition in the transaction.
    fn add_partition(&mut self, identity: Identity, place: TopicPartition) -> Result<(), Refusal> {
        if self.transaction.as_ref().is_some_and(|open| open.partitions.contains(&place)) {
            return Ok(());
        }
        let added = lock(&self.cluster).add_partition(&self.id, identity, place.clone());
        // The records go down with the producer; of them nobody says more.
        self.heard(added).map_err(|refusal| match refusal {
            Refusal::InvalidProducerEpoch => Refusal::PurgeQueue,
            refusal => refusal,
        })?;
        if let Some(transaction) = &mut self.transaction {
            transaction.partitions.insert(place);
        }
        Ok(())
    }

    fn end(&mut self, decision: Decision, what: &str) -> Result<(), ClientError> {
        let misused = self.misused(what);
        let (Some(identity), Some(transaction)) = (self.identity, self.transaction.take()) else {
            return Err(misused);
        };
        let attempt = self.attempt(what);
        if self.is_fenced {
            return Err(Refusal::InvalidProducerEpoch.at_the_end(attempt));
        }
        if transaction.partitions.is_empty() && !transaction.has_offsets {
            return Ok(());
        }
        let ended = lock(&self.cluster).end_transaction(&self.id, identity, decision);
        self.heard(ended).map_err(|refusal| refusal.at_the_end(attempt))
    }
}

impl TransactionalProducer for Producer {
    fn init_transactions(&mut self) -> Result<(), ClientError> {
        if self.is_fenced {
            return Err(Refusal::InvalidProducerEpoch.of(self.attempt("begin the transactions")));
        }
        self.identity = Some(lock(&self.cluster).init_producer(&self.id));
        self.transaction = None;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        if self.is_fenced || self.identity.is_none() || self.transaction.is_some() {
            let reason = "it is fenced, not initialised, or has a transaction open".to_string();
            let attempted = self.attempt("begin a transaction");
            return Err(ClientError { kind: ErrorKind::Fenced, attempted, reason });
        }
        self.transaction = Some(Transaction::default());
        Ok(())
    }

    /// What the broker says of the record comes later on the real Kafka, with the flush.
    fn send(&mut self, record: ProducerRecord, slot: Option<usize>) -> Result<(), ClientError> {
        let attempt = format!("write to {}-{}", record.topic, record.partition);
        let (identity, transaction) = self.open("write a record")?;
        transaction.is_sound()?;
        let written = self
            .add_partition(identity, place_of(&record))
            .and_then(|()| lock(&self.cluster).append_open(identity, record));
        let (_, transaction) = self.open("write a record")?;
        match (written, slot) {
            (Ok(offset), Some(slot)) => {
                transaction.last.insert(slot, offset);
            }
            (Ok(_), None) => {}
            (Err(refusal), _) => transaction.failure = Some(refusal.in_transaction(attempt)),
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Vec<(usize, i64)>, ClientError> {
        let (_, transaction) = self.open("flush the records")?;
        transaction.is_sound()?;
        Ok(transaction.last.iter().map(|(slot, offset)| (*slot, *offset)).collect())
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, i64)],
        metadata: &GroupMetadata,
    ) -> Result<(), ClientError> {
        let attempt = self.attempt("add the offsets to a transaction");
        let Some(member) = metadata.0.downcast_ref::<Identification>() else {
            return Err(Refusal::InvalidArgument.in_transaction(attempt));
        };
        let (identity, transaction) = self.open("add the offsets")?;
        transaction.is_sound()?;
        let added = lock(&self.cluster).add_group(&self.id, identity, &member.group);
        let is_added = added.is_ok();
        let held = self
            .heard(added)
            .and_then(|()| lock(&self.cluster).hold_offsets(identity, member, offsets))
            .map_err(|refusal| refusal.in_transaction(attempt));
        let (_, transaction) = self.open("add the offsets")?;
        transaction.has_offsets |= is_added;
        transaction.failure = held.clone().err();
        held
    }

    fn commit(&mut self) -> Result<(), ClientError> {
        self.flush()?;
        self.end(Decision::Commit, "commit a transaction")
    }

    fn abort(&mut self) -> Result<(), ClientError> {
        self.end(Decision::Abort, "abort a transaction")
    }
}
