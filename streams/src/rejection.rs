//! Why a record is not taken from a topic, wherever it is read: as an input, into a global table, into a store.

use crate::codec::DecodeError;
use crate::partitioner::Misplaced;

/// Why a record is passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
}

impl Rejection {
    /// Its name in a dead letter.
    pub(crate) fn exception(&self) -> &'static str {
        match self {
            Rejection::Misplaced(_) => "MisplacedRecord",
            Rejection::Undecodable(error) => error.exception(),
        }
    }

    /// What it is counted as.
    pub(crate) fn counter(&self) -> &'static str {
        match self {
            Rejection::Misplaced(_) => "misplaced_records",
            Rejection::Undecodable(DecodeError::OtherKey { .. }) => "mismatched_records",
            Rejection::Undecodable(_) => "undecodable_records",
        }
    }
}
