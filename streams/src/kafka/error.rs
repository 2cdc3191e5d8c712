//! What Kafka's errors mean for the worker, decided here and nowhere else.

use kafka_protocol::error::ResponseError;
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;

use crate::Timestamp;
use crate::client::{ClientError, ErrorKind};

/// For `map_err`: what was attempted when a call to Kafka failed.
pub(super) fn failed(attempted: impl Into<String>) -> impl FnOnce(KafkaError) -> ClientError {
    move |error| ClientError { kind: kind(&error), attempted: attempted.into(), reason: reason(&error) }
}

/// The same for a code alone.
pub(super) fn failed_with(attempted: impl Into<String>) -> impl FnOnce(Code) -> ClientError {
    move |code| ClientError {
        kind: kind_of_code(code),
        attempted: attempted.into(),
        reason: code.to_string(),
    }
}

/// The same within a transaction, where nothing can be tried again alone.
pub(super) fn failed_in_transaction(attempted: impl Into<String>) -> impl FnOnce(KafkaError) -> ClientError {
    move |error| {
        let failure = failed(attempted)(error);
        match failure.kind {
            ErrorKind::Retriable => ClientError { kind: ErrorKind::Abortable, ..failure },
            _ => failure,
        }
    }
}

/// The same for the end of a transaction: whether it took place is not known. librdkafka reports an error even
/// when the broker has committed, if it gave up before the answer came.
pub(super) fn failed_to_end(attempted: impl Into<String>) -> impl FnOnce(KafkaError) -> ClientError {
    move |error| {
        let failure = failed(attempted)(error);
        match failure.kind {
            ErrorKind::Fatal => failure,
            _ => ClientError { kind: ErrorKind::Fenced, ..failure },
        }
    }
}

/// Whether librdkafka deals with it without us: it reconnects, finds the new leader or coordinator, or tells the
/// group's member of its loss with a rebalance.
pub(super) fn passes(error: &KafkaError) -> bool {
    let KafkaError::MessageConsumption(code) = error else {
        return matches!(error, KafkaError::PartitionEOF(_) | KafkaError::NoMessageReceived);
    };
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::SSL
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::BrokerNotAvailable
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::ReplicaNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::KafkaStorageError
            | Code::WaitingForCoordinator
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::RebalanceInProgress
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::MemberIdRequired
            | Code::PollExceeded
            | Code::ThrottlingQuotaExceeded
    )
}

/// Whether the broker has refused a commit, or librdkafka has not even tried: it will not take place later.
pub(super) fn is_an_answer(error: &KafkaError) -> bool {
    let known = matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NoOffset
                | Code::RebalanceInProgress
                | Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::FencedInstanceId
                | Code::OffsetMetadataTooLarge
                | Code::InvalidCommitOffsetSize
                | Code::UnknownTopicOrPartition
        )
    );
    known || kind(error) == ErrorKind::Fatal
}

/// What an error in a broker's own answer means.
pub(super) fn kind_of_refusal(error: ResponseError) -> ErrorKind {
    // librdkafka's numbers for the brokers' errors are the brokers' own.
    let code = RDKafkaRespErr::try_from(i32::from(error.code()));
    code.map_or(ErrorKind::Retriable, |code| kind_of_code(code.into()))
}

fn kind(error: &KafkaError) -> ErrorKind {
    match error {
        KafkaError::Transaction(error) => kind_of_transaction(error),
        KafkaError::AdminOp(code) => kind_of_code(*code),
        KafkaError::ClientConfig(..)
        | KafkaError::ClientCreation(_)
        | KafkaError::AdminOpCreation(_)
        | KafkaError::Nul(_) => ErrorKind::Fatal,
        KafkaError::MessageConsumptionFatal(code) => match kind_of_code(*code) {
            ErrorKind::Retriable => ErrorKind::Fenced,
            kind => kind,
        },
        _ => error.rdkafka_error_code().map_or(ErrorKind::Retriable, kind_of_code),
    }
}

fn kind_of_transaction(error: &RDKafkaError) -> ErrorKind {
    match kind_of_code(error.code()) {
        ErrorKind::Retriable if error.is_fatal() => ErrorKind::Fenced,
        ErrorKind::Retriable if error.txn_requires_abort() => ErrorKind::Abortable,
        ErrorKind::Retriable if error.is_retriable() => ErrorKind::Retriable,
        // librdkafka and we do not agree about where we are.
        ErrorKind::Retriable => ErrorKind::Fenced,
        kind => kind,
    }
}

fn kind_of_code(code: Code) -> ErrorKind {
    match code {
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord => ErrorKind::Refused,

        Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::LogTruncation => ErrorKind::OffsetOutOfRange,

        Code::ProducerFenced
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping
        | Code::InvalidTransactionalState
        | Code::TransactionCoordinatorFenced
        | Code::Fenced
        | Code::Fatal
        | Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::FencedInstanceId
        | Code::AssignmentLost => ErrorKind::Fenced,

        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::SecurityDisabled
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::UnsupportedFeature
        | Code::UnsupportedVersion
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::InconsistentGroupProtocol
        | Code::InvalidGroupId
        | Code::InvalidSessionTimeout
        | Code::InvalidTransactionTimeout
        | Code::GroupMaxSizeReached
        | Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::InvalidArgument
        | Code::PolicyViolation
        | Code::NotConfigured
        | Code::NotImplemented => ErrorKind::Fatal,

        _ => ErrorKind::Retriable,
    }
}

/// Why a broker has refused something, in its own words or in the error's.
pub(super) fn reason_of_refusal(error: ResponseError, said: Option<&str>) -> String {
    let reason = said.map_or_else(|| error.to_string(), str::to_string);
    if error == ResponseError::InvalidTimestamp { with_clock(&reason) } else { reason }
}

fn reason(error: &KafkaError) -> String {
    match error {
        // Says more than its code.
        KafkaError::Transaction(error) => error.string(),
        error if error.rdkafka_error_code() == Some(Code::InvalidTimestamp) => with_clock(&error.to_string()),
        error => error.to_string(),
    }
}

/// A record's time is that of the clock of the machine that writes it, so it says nothing of the record.
fn with_clock(reason: &str) -> String {
    let now = Timestamp::of_wall_clock();
    format!(
        "{reason}: this machine's clock says {now} since 1970, which the broker does not take. One of the two clocks is \
         wrong, or the topic's message.timestamp.before.max.ms or message.timestamp.after.max.ms is too small"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::{Abortable, Fatal, Fenced, OffsetOutOfRange, Refused, Retriable};

    #[track_caller]
    fn check(error: KafkaError, alone: ErrorKind, in_transaction: ErrorKind, at_its_end: ErrorKind) {
        let kinds = [
            failed("test")(error.clone()).kind,
            failed_in_transaction("test")(error.clone()).kind,
            failed_to_end("test")(error.clone()).kind,
        ];
        assert_eq!(kinds, [alone, in_transaction, at_its_end], "{error}");
    }

    #[test]
    fn an_error_means_what_its_place_makes_of_it() {
        let produced = KafkaError::MessageProduction;
        check(produced(Code::MessageSizeTooLarge), Refused, Refused, Fenced);
        check(produced(Code::InvalidTimestamp), Retriable, Abortable, Fenced);
        check(produced(Code::MessageTimedOut), Retriable, Abortable, Fenced);
        check(produced(Code::ProducerFenced), Fenced, Fenced, Fenced);
        check(produced(Code::TopicAuthorizationFailed), Fatal, Fatal, Fatal);
        check(KafkaError::ConsumerCommit(Code::IllegalGeneration), Fenced, Fenced, Fenced);
        check(
            KafkaError::MessageConsumption(Code::AutoOffsetReset),
            OffsetOutOfRange,
            OffsetOutOfRange,
            Fenced,
        );
        check(KafkaError::MessageConsumptionFatal(Code::Unknown), Fenced, Fenced, Fenced);
        check(KafkaError::AdminOp(Code::UnknownTopicOrPartition), Retriable, Abortable, Fenced);
    }

    #[test]
    fn a_time_that_is_refused_is_the_clocks_fault() {
        let through_librdkafka = failed("test")(KafkaError::MessageProduction(Code::InvalidTimestamp)).reason;
        let spoken = reason_of_refusal(ResponseError::InvalidTimestamp, Some("out of range"));
        assert!(spoken.starts_with("out of range: this machine's clock says "), "{spoken}");
        assert!(through_librdkafka.contains("this machine's clock says "), "{through_librdkafka}");
        assert_eq!(reason_of_refusal(ResponseError::InvalidRecord, Some("no key")), "no key");
    }

    #[test]
    fn silence_is_no_answer() {
        assert!(is_an_answer(&KafkaError::ConsumerCommit(Code::IllegalGeneration)));
        assert!(is_an_answer(&KafkaError::ConsumerCommit(Code::GroupAuthorizationFailed)));
        assert!(!is_an_answer(&KafkaError::ConsumerCommit(Code::BrokerTransportFailure)));
        assert!(!is_an_answer(&KafkaError::ConsumerCommit(Code::WaitingForCoordinator)));
    }

    #[test]
    fn the_loss_of_a_broker_passes() {
        assert!(passes(&KafkaError::MessageConsumption(Code::AllBrokersDown)));
        assert!(!passes(&KafkaError::MessageConsumption(Code::UnknownTopicOrPartition)));
        assert!(!passes(&KafkaError::MessageConsumption(Code::AutoOffsetReset)));
        assert!(!passes(&KafkaError::MessageConsumptionFatal(Code::AllBrokersDown)));
    }
}
