//! Why Kafka refuses a call, by its own names, and what that means for the caller: the same as behind the real
//! door.

use crate::client::{ClientError, ErrorKind};

/// An error code of Kafka's protocol, or of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownTopicOrPartition,
    OffsetOutOfRange,
    UnstableOffsetCommit,
    RebalanceInProgress,
    UnknownMemberId,
    IllegalGeneration,
    AssignmentLost,
    InvalidProducerEpoch,
    InvalidTransactionalState,
    MessageSizeTooLarge,
    InvalidRecord,
    /// The client threw the record away, because nothing can be sent any more.
    PurgeQueue,
    InvalidPartitions,
    InvalidReplicationFactor,
    /// The client was closed, or given something that is not of this cluster.
    InvalidArgument,
}

impl Refusal {
    pub(super) fn of(self, attempted: impl Into<String>) -> ClientError {
        ClientError { kind: self.kind(), attempted: attempted.into(), reason: format!("{self:?}") }
    }

    /// Within a transaction nothing can be tried again alone.
    pub(super) fn in_transaction(self, attempted: impl Into<String>) -> ClientError {
        let error = self.of(attempted);
        match error.kind {
            ErrorKind::Retriable => ClientError { kind: ErrorKind::Abortable, ..error },
            _ => error,
        }
    }

    /// At the end of a transaction whatever fails leaves the outcome unknown.
    pub(super) fn at_the_end(self, attempted: impl Into<String>) -> ClientError {
        ClientError { kind: ErrorKind::Fenced, ..self.of(attempted) }
    }

    fn kind(self) -> ErrorKind {
        match self {
            Refusal::UnknownTopicOrPartition
            | Refusal::UnstableOffsetCommit
            | Refusal::PurgeQueue
            | Refusal::RebalanceInProgress => ErrorKind::Retriable,
            Refusal::OffsetOutOfRange => ErrorKind::OffsetOutOfRange,
            Refusal::UnknownMemberId
            | Refusal::IllegalGeneration
            | Refusal::AssignmentLost
            | Refusal::InvalidProducerEpoch
            | Refusal::InvalidTransactionalState => ErrorKind::Fenced,
            Refusal::MessageSizeTooLarge | Refusal::InvalidRecord => ErrorKind::Refused,
            Refusal::InvalidPartitions | Refusal::InvalidReplicationFactor | Refusal::InvalidArgument => {
                ErrorKind::Fatal
            }
        }
    }
}
