//! A producer with transactions of the second version (KIP-890): a partition joins a transaction with the first record
//! that is written to it, and each transaction has an epoch of its own, so that nothing that arrives late can get into
//! a later one.
//!
//! Transactions take turns between two transactional ids. When a commit is answered it is decided, but the broker still
//! has to write it to each partition, and lets nobody begin with the same id before that: with the other one the next
//! transaction begins at once. Readers of a partition see the two in the order of their records.
//!
//! All that is sent together goes to each broker in one request. The next request waits for the answers to the last:
//! so the numbers of a partition's records follow each other, and a request can be repeated as it was.

mod offsets;
mod partition;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    EndTxnRequest, GroupId, InitProducerIdRequest, ProduceRequest, ProduceResponse, ProducerId,
    TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;

use self::partition::Partition;
use self::transaction::Transaction;
use super::Generation;
use super::batch::Identity;
use super::cluster::{Broker, CallError, Cluster, Coordinated, is_passing, wait};
use super::link::UnderWay;
use super::produce::{self, Refusal};
use super::servers::share;
use crate::client::{ClientError, ErrorKind, GroupMetadata, TransactionalProducer};
use crate::kafka::config::Settings;
use crate::kafka::error::kind_of_refusal;
use crate::record::{ChangelogRecord, Content, ProducerRecord, TopicPartition};

/// With so much at hand it is sent, while the worker goes on.
const MAX_PENDING: usize = 1 << 20;

/// The producer of one worker.
pub(in crate::kafka) struct Producer {
    id: String,
    prefix: String,
    ids: [TransactionalId; 2],
    /// Of each of the ids, once it has one.
    identities: Option<[Identity; 2]>,
    /// Whose turn it is.
    turn: usize,
    timeout: Duration,
    /// How long a call may take: what is left of a transaction by then the broker aborts itself. A commit may take twice
    /// as long: it is decided once the coordinator has heard of it.
    limit: Duration,
    cluster: Cluster,
    /// Why nothing more can be done with these identities.
    fenced: Option<ClientError>,
    numbers: HashMap<Arc<str>, HashMap<i32, usize>>,
    partitions: Vec<Partition>,
    in_flight: Vec<InFlight>,
    /// Bytes that wait to be sent.
    pending: usize,
    transaction: Option<Transaction>,
}

/// A request without its answer.
struct InFlight {
    broker: Broker,
    request: UnderWay,
}

impl Producer {
    pub(in crate::kafka) fn new(settings: &Settings, transactional_id: &str) -> Self {
        let on_cluster = format!("{}{transactional_id}", settings.prefix());
        Self {
            id: transactional_id.to_string(),
            prefix: settings.prefix().to_string(),
            cluster: Cluster::new(settings.servers(), &on_cluster),
            ids: [on_cluster.clone(), format!("{on_cluster}.2")]
                .map(|id| TransactionalId(StrBytes::from_string(id))),
            identities: None,
            turn: 0,
            timeout: settings.transaction_timeout(),
            limit: settings.transaction_timeout() + Duration::from_secs(1),
            fenced: None,
            numbers: HashMap::new(),
            partitions: Vec::new(),
            in_flight: Vec::new(),
            pending: 0,
            transaction: None,
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }

    fn failure(&self, kind: ErrorKind, what: &str, reason: impl ToString) -> ClientError {
        ClientError { kind, attempted: format!("{what} of {}", self.id), reason: reason.to_string() }
    }

    fn transactional_id(&self) -> TransactionalId {
        self.ids[self.turn].clone()
    }

    fn identity(&self) -> Result<Identity, ClientError> {
        self.identities
            .map(|identities| identities[self.turn])
            .ok_or_else(|| self.failure(ErrorKind::Fatal, "use the transactions", "they were never begun"))
    }

    fn open(&mut self) -> Result<&mut Transaction, ClientError> {
        let none = || ClientError {
            kind: ErrorKind::Fatal,
            attempted: format!("use a transaction of {}", self.id),
            reason: "none is open".to_string(),
        };
        let transaction = self.transaction.as_mut().ok_or_else(none)?;
        match &transaction.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(transaction),
        }
    }

    /// The transaction can only be aborted from now on.
    fn doom(&mut self, failure: ClientError) -> ClientError {
        if let Some(transaction) = &mut self.transaction {
            transaction.failure = Some(failure.clone());
        }
        failure
    }

    fn index_of(&mut self, topic: &Arc<str>, number: i32) -> usize {
        let known = self.numbers.get(topic).and_then(|of_topic| of_topic.get(&number));
        if let Some(index) = known {
            return *index;
        }
        let on_cluster = StrBytes::from_string(format!("{}{topic}", self.prefix));
        self.numbers.entry(topic.clone()).or_default().insert(number, self.partitions.len());
        self.partitions.push(Partition::new(topic.clone(), on_cluster, number));
        self.partitions.len() - 1
    }

    /// Puts a record into its partition's batch.
    fn write(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        record: Content<'_>,
        slot: Option<usize>,
    ) -> Result<(), ClientError> {
        self.open()?;
        let index = self.index_of(topic, partition);
        let size = record.size();
        if self.pending + size > MAX_PENDING || !self.partitions[index].has_room(size) {
            self.dispatch(self.deadline())?;
        }
        self.partitions[index].push(record, slot);
        self.pending += size;
        Ok(())
    }

    /// Sends what is at hand. What is on its way has to arrive before.
    fn dispatch(&mut self, deadline: Instant) -> Result<(), ClientError> {
        self.settle(deadline)?;
        let identity = self.identity()?;
        self.pending = 0;
        let mut sealed = Vec::new();
        for (index, partition) in self.partitions.iter_mut().enumerate() {
            if partition.seal(identity) {
                sealed.push(index);
            }
        }
        // What does not go out now goes out when it is waited for.
        let _unsent = self.send_sealed(sealed, deadline);
        Ok(())
    }

    /// One request to each of the brokers that lead these partitions. Why some were not sent, if so.
    fn send_sealed(&mut self, partitions: Vec<usize>, deadline: Instant) -> Result<(), CallError> {
        let mut unsent = Ok(());
        let mut by_broker: HashMap<Broker, Vec<usize>> = HashMap::new();
        for index in partitions {
            let partition = &self.partitions[index];
            match self.cluster.leader(&partition.topic, partition.number, deadline) {
                Ok(Some(leader)) => by_broker.entry(leader).or_default().push(index),
                Ok(None) => unsent = Err(CallError::Refused(ResponseError::LeaderNotAvailable)),
                Err(error) => unsent = Err(error),
            }
        }
        for (broker, partitions) in by_broker {
            let request = self.request(&partitions);
            if let Some(transaction) = &mut self.transaction {
                transaction.is_known = true;
            }
            match self.cluster.send(broker, &request, produce::VERSION) {
                Ok(request) => self.in_flight.push(InFlight { broker, request }),
                Err(error) => unsent = Err(error.into()),
            }
        }
        unsent
    }

    fn request(&self, partitions: &[usize]) -> ProduceRequest {
        let partitions = partitions.iter().map(|index| &self.partitions[*index]);
        let batches = partitions.filter_map(|partition| {
            let sealed = partition.sealed.as_ref()?;
            Some((&partition.topic, partition.number, &sealed.bytes))
        });
        produce::request(batches, self.timeout).with_transactional_id(Some(self.transactional_id()))
    }

    /// Waits until Kafka has all that was sent, and sends again what it did not take yet.
    fn settle(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let mut reason = "no answer in time".to_string();
        for attempt in 0.. {
            if let Some(why) = self.receive(deadline)? {
                reason = why;
                wait(attempt);
            }
            let left: Vec<usize> =
                (0..self.partitions.len()).filter(|index| self.partitions[*index].sealed.is_some()).collect();
            let Some(first) = left.first() else { break };
            let attempted = self.partitions[*first].place();
            if Instant::now() >= deadline {
                return Err(self.doom(ClientError { kind: ErrorKind::Abortable, attempted, reason }));
            }
            if let Err(error) = self.send_sealed(left, deadline) {
                reason = error.to_string();
                if let CallError::Refused(refused) = error
                    && kind_of_refusal(refused) == ErrorKind::Fatal
                {
                    return Err(self.doom(ClientError { kind: ErrorKind::Fatal, attempted, reason }));
                }
                tracing::debug!(producer = self.id, reason, "sending again");
                wait(attempt);
            }
        }
        Ok(())
    }

    /// Takes the answers to all that is on its way. Why something has to be sent again, if so.
    fn receive(&mut self, deadline: Instant) -> Result<Option<String>, ClientError> {
        let (mut again, mut failure) = (None, None);
        // What is not answered by then is sent again, and there has to be time for it.
        let until = share(Instant::now(), deadline, self.limit);
        for InFlight { broker, request } in std::mem::take(&mut self.in_flight) {
            match self.cluster.receive::<ProduceRequest>(broker, request, until) {
                Ok(answer) => self.take(answer, &mut again, &mut failure),
                Err(error) => again = Some(error.to_string()),
            }
        }
        match failure {
            Some(failure) => Err(self.doom(failure)),
            None => Ok(again),
        }
    }

    /// What a broker says to a request.
    fn take(
        &mut self,
        response: ProduceResponse,
        again: &mut Option<String>,
        failure: &mut Option<ClientError>,
    ) {
        for answer in produce::answers(response) {
            let found = self
                .partitions
                .iter_mut()
                .find(|partition| partition.number == answer.partition && partition.topic == answer.topic);
            let Some(partition) = found else { continue };
            match answer.outcome {
                Ok(base_offset) => {
                    let Some(slots) = partition.arrived() else { continue };
                    if let Some(transaction) = &mut self.transaction {
                        transaction.note(base_offset, &slots);
                    }
                }
                Err(Refusal { error, .. }) if is_passing(error) => {
                    if error != ResponseError::ConcurrentTransactions {
                        self.cluster.forget_leader(&partition.topic, partition.number);
                    }
                    *again = Some(error.to_string());
                }
                Err(Refusal { error, reason, .. }) => {
                    partition.sealed = None;
                    let kind = in_transaction(kind_of_refusal(error));
                    // A refused record tells more than what went down with it.
                    if failure.is_none() || kind == ErrorKind::Refused {
                        *failure = Some(ClientError { kind, attempted: partition.place(), reason });
                    }
                }
            }
        }
    }

    /// The identity of one of the ids from now on: fences who had it before, and ends what that one left open.
    fn init(&mut self, which: usize) -> Result<Identity, ClientError> {
        let id = self.ids[which].clone();
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id.clone()))
            .with_transaction_timeout_ms(self.timeout.as_millis() as i32)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let deadline = self.deadline();
        let begun = self.cluster.call_coordinator(
            Coordinated::Transactions,
            &id.0,
            &request,
            5,
            deadline,
            |answer| answer.error_code,
        );
        let answer = begun.map_err(|error| {
            let kind = match &error {
                CallError::NoAnswer(_) => ErrorKind::Retriable,
                CallError::Refused(error) => kind_of_refusal(*error),
            };
            self.failure(kind, "begin the transactions", error)
        })?;
        Ok(Identity { producer: answer.producer_id.0, epoch: answer.producer_epoch })
    }

    fn end(&mut self, committed: bool) -> Result<(), ClientError> {
        let attempt = if committed { "commit a transaction" } else { "abort a transaction" };
        let Some(transaction) = self.transaction.take() else {
            return Err(self.failure(ErrorKind::Fatal, attempt, "none is open"));
        };
        self.partitions.iter_mut().for_each(Partition::clear);
        self.pending = 0;
        if !transaction.is_known {
            return Ok(());
        }
        let identity = self.identity()?;
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(ProducerId(identity.producer))
            .with_producer_epoch(identity.epoch)
            .with_committed(committed);
        // The end may be asked for any number of times: the coordinator knows by the epoch that it is this transaction's,
        // and tells the next epoch again. What else has happened to it meanwhile it tells as an error.
        let limit = if committed { self.limit * 2 } else { self.limit };
        let (id, deadline) = (self.transactional_id().0, Instant::now() + limit);
        let ended =
            self.cluster.call_coordinator(Coordinated::Transactions, &id, &request, 5, deadline, |answer| {
                answer.error_code
            });
        match ended {
            Ok(answer) => {
                let (producer, epoch) = (answer.producer_id.0, answer.producer_epoch);
                if let Some(identities) = &mut self.identities {
                    identities[self.turn] = Identity { producer, epoch };
                }
                self.turn = 1 - self.turn;
                Ok(())
            }
            // Whether it has ended is not known, or it has ended otherwise.
            Err(error) => {
                let kind = match &error {
                    CallError::Refused(error) if kind_of_refusal(*error) == ErrorKind::Fatal => {
                        ErrorKind::Fatal
                    }
                    _ => ErrorKind::Fenced,
                };
                let failure = self.failure(kind, attempt, error);
                self.fenced = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// Waits for the answers that are still to come: nobody needs them any more, but the connections.
    fn drain(&mut self) {
        let until = share(Instant::now(), self.deadline(), self.limit);
        for InFlight { broker, request } in std::mem::take(&mut self.in_flight) {
            // A connection that fails is given up.
            let _ = self.cluster.receive::<ProduceRequest>(broker, request, until);
        }
    }
}

impl TransactionalProducer for Producer {
    fn init_transactions(&mut self) -> Result<(), ClientError> {
        self.identities = Some([self.init(0)?, self.init(1)?]);
        (self.fenced, self.transaction) = (None, None);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        self.identity()?;
        if let Some(fenced) = &self.fenced {
            return Err(fenced.clone());
        }
        if self.transaction.is_some() {
            return Err(self.failure(ErrorKind::Fatal, "begin a transaction", "one is open"));
        }
        self.transaction = Some(Transaction::default());
        Ok(())
    }

    fn send(&mut self, record: ProducerRecord, slot: Option<usize>) -> Result<(), ClientError> {
        self.write(&record.topic, record.partition, record.content(), slot)
    }

    fn send_change(&mut self, change: ChangelogRecord<'_>, slot: usize) -> Result<(), ClientError> {
        self.write(change.topic, change.partition, change.content(), Some(slot))
    }

    fn flush(&mut self) -> Result<Vec<(usize, i64)>, ClientError> {
        self.open()?;
        let deadline = self.deadline();
        self.dispatch(deadline)?;
        self.settle(deadline)?;
        Ok(self.open()?.last_offsets())
    }

    fn send_offsets(
        &mut self,
        offsets: &[(TopicPartition, i64)],
        metadata: &GroupMetadata,
    ) -> Result<(), ClientError> {
        let attempt = "add the offsets to a transaction";
        let Some(generation) = metadata.0.downcast_ref::<Generation>() else {
            return Err(self.failure(ErrorKind::Fatal, attempt, "the membership is not of this door"));
        };
        let (identity, deadline) = (self.identity()?, self.deadline());
        // Before anything else goes to the same broker.
        self.settle(deadline)?;
        self.open()?.is_known = true;
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(ProducerId(identity.producer))
            .with_producer_epoch(identity.epoch)
            .with_group_id(GroupId(generation.group.clone()))
            .with_member_id(generation.member.clone())
            .with_generation_id(generation.generation)
            .with_topics(offsets::positions(&self.prefix, offsets));
        let sent = self.cluster.call_coordinator(
            Coordinated::Group,
            &generation.group,
            &request,
            5,
            deadline,
            offsets::first_refusal,
        );
        match sent {
            Ok(_) => Ok(()),
            Err(error) => {
                let kind = match &error {
                    CallError::NoAnswer(_) => ErrorKind::Abortable,
                    CallError::Refused(error) => in_transaction(kind_of_refusal(*error)),
                };
                let failure = self.failure(kind, attempt, error);
                Err(self.doom(failure))
            }
        }
    }

    fn commit(&mut self) -> Result<(), ClientError> {
        self.flush()?;
        self.end(true)
    }

    fn abort(&mut self) -> Result<(), ClientError> {
        self.drain();
        self.end(false)
    }
}

/// Nothing of a transaction can be tried again alone.
fn in_transaction(kind: ErrorKind) -> ErrorKind {
    if kind == ErrorKind::Retriable { ErrorKind::Abortable } else { kind }
}

#[cfg(test)]
mod tests;
